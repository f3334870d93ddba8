"""Reading broker profiles below ``arch/msg/KIND``: what the contract readers of drivers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.contracts.loader import JsonObject, find_by_id, ids_of, read_contract, resolve_inside
from x07py.errors import ContractError

if TYPE_CHECKING:
    from pathlib import Path

MAX_I31 = 2**31 - 1
TOPIC_INDEX = "arch/msg/index.x07msg.json"


class ClientCertificate(NamedTuple):
    """What a client shows to a broker that asks for a certificate: absolute paths of PEM files, and the id of the
    secret that the key is encrypted with, empty if it is not."""

    certificate_path: str
    key_path: str
    key_password_secret_id: str


def secret_ids(username: str, password: str, certificate: ClientCertificate | None) -> tuple[str, ...]:
    """Return the ids of secrets that a profile names, of these of user, password and the certificate's key."""
    key = certificate.key_password_secret_id if certificate else ""
    return tuple(filter(None, (username, password, key)))


def profile_ids(root: Path, index: str, code: int) -> list[str]:
    """Return the ids of the profiles that an index lists or that stand beside the topics.

    Raises:
        ContractError: with `code` if the index is not JSON.
    """
    if not has_index(root, index):
        return []
    return ids_of(read_index(root, index, code, "x07 arch check tells what is wrong"), "profiles")


def has_index(root: Path, index: str) -> bool:
    """Tell whether the project has contracts of a kind, in the index or beside the topics."""
    return (root / index).is_file() or bool(_beside(root, index)["profiles"])


def read_index(root: Path, path: str, code: int, hint: str) -> JsonObject:
    """Return the index of a kind's contracts, with those that stand beside the topics.

    An entry of these has its document as ``document``, the others say where their file is.

    Args:
        root: the project.
        path: the index, relative to it.
        code: code of the error where the index is missing or broken.
        hint: what the reader of the error should do.

    Raises:
        ContractError: with `code`; 9501 for the catalogue of topics.
    """
    beside = _beside(root, path)
    if beside["profiles"] and not (root / path).exists():
        return {**beside}
    index = read_contract(root / path, root=root, code=code, hint=hint)
    for name, rows in beside.items():
        if rows:
            index[name] = [*(index[name] if isinstance(index.get(name), list) else []), *rows]
    return index


def place_of(root: Path, index: str) -> Path:
    """Return the file where contracts of a kind stand: their index, or the catalogue of topics if there is none."""
    return root / (index if (root / index).exists() else TOPIC_INDEX)


def beside_topics(index: JsonObject, kind: str) -> dict[str, list[JsonObject]]:
    """Return the contracts of a kind that the catalogue of topics holds, as ``profiles`` and ``topologies``."""
    ids = ("id", "budget_profile_id", "rr_policy_id")
    return {
        name: [
            {key: row[key] for key in ids if key in row}
            | {"document": {key: value for key, value in row.items() if key not in ids[1:]}}
            for row in found
            if isinstance(row, dict)
        ]
        for name, found in (("profiles", index.get(kind, [])), ("topologies", index.get("topologies", [])))
        if isinstance(found, list)
    }


def _beside(root: Path, index: str) -> dict[str, list[JsonObject]]:
    if not (root / TOPIC_INDEX).is_file():
        return {"profiles": []}
    hint = "x07 arch check tells what is wrong"
    return beside_topics(read_contract(root / TOPIC_INDEX, root=root, code=9501, hint=hint), index.split("/")[2])


class Codes(NamedTuple):
    """The codes of what may be wrong with an index and a profile; those of the reference's ``connect_from_arch``.

    A file that the reference would trap on (it does not exist) gets the code of the file that cannot be parsed.
    """

    no_index: int
    missing: int
    file: int
    no_limits: int
    limits: int
    invalid: int


class Loaded(NamedTuple):
    """A profile as it was parsed: its row of the index, its document, the file, and the codes for what is wrong."""

    entry: JsonObject
    document: JsonObject
    path: Path
    codes: Codes

    def table(self, name: str) -> JsonObject:
        value = self.document.get(name, {})
        if not isinstance(value, dict):
            raise self.invalid(f"{name} must be an object")
        return value

    def invalid(self, message: str) -> ContractError:
        return ContractError(
            self.codes.invalid, message, where=str(self.path), hint="x07 arch check shows every fault of the file"
        )


def load_profile(root: Path, index_path: str, path_key: str, profile_id: str, codes: Codes) -> Loaded:
    index = read_index(root, index_path, codes.no_index, "copy docs/examples/contracts_project/arch to start from")
    entry = find_by_id(index, "profiles", profile_id)
    if entry is not None and "document" in entry:
        return Loaded(entry, entry["document"], root / TOPIC_INDEX, codes)
    relative = entry.get(path_key) if entry else None
    if entry is None or not isinstance(relative, str) or not relative:
        raise unknown(codes.missing, "profile", profile_id, place_of(root, index_path), ids_of(index, "profiles"))
    file = resolve_inside(root, relative)
    document = read_contract(file, root=root, code=codes.file, hint=f"{index_path} names this file")
    return Loaded(entry, document, file, codes)


def unknown(code: int, what: str, wanted: str, path: Path, known: list[str]) -> ContractError:
    hint = f"there are: {', '.join(known)}" if known else f"the index lists no {what}"
    return ContractError(code, f"no {what} has the id {wanted!r}", where=str(path), hint=hint)


def limits_of(loaded: Loaded, codes: Codes, names: tuple[str, ...], default: int | None = None) -> dict[str, int]:
    table = loaded.document.get("limits")
    where = str(loaded.path)
    if not isinstance(table, dict):
        raise ContractError(codes.no_limits, "the profile has no limits", where=where, hint="add: " + ", ".join(names))
    found: dict[str, int] = {}
    for name in names:
        value = table.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_I31:
            raise ContractError(
                codes.limits, f"limits.{name} is not a number from 0 to {MAX_I31}", where=where, hint="correct it"
            )
        found[name] = value
    return found


def text_of(loaded: Loaded, table: JsonObject, name: str, default: str | None) -> str:
    value: Any = table.get(name, default)
    if not isinstance(value, str) or (default is None and not value):
        raise loaded.invalid(f"{name} must be a string")
    return value


def authorities(loaded: Loaded, table: JsonObject, root: Path) -> str | None:
    """Return the absolute path of the file of certificate authorities, None for the system's."""
    path = text_of(loaded, table, "ca_path", "")
    return str(root / path) if path else None


def certificate(loaded: Loaded, table: JsonObject, root: Path) -> ClientCertificate | None:
    """Return the client's certificate that the profile names, None if it names none."""
    names = ("certificate_path", "key_path", "key_password_secret_id")
    certificate, key, password = (text_of(loaded, table, name, "") for name in names)
    if bool(certificate) != bool(key):
        raise loaded.invalid("certificate_path and key_path go together")
    return ClientCertificate(str(root / certificate), str(root / key), password) if certificate else None


def flag(loaded: Loaded, table: JsonObject, name: str, *, default: bool) -> bool:
    value = table.get(name, default)
    if not isinstance(value, bool):
        raise loaded.invalid(f"{name} must be true or false")
    return value


def choice(loaded: Loaded, table: JsonObject, name: str, allowed: tuple[str, ...]) -> str:
    value = text_of(loaded, table, name, allowed[0])
    if value not in allowed:
        raise loaded.invalid(f"{name} must be one of {', '.join(allowed)}")
    return value
