"""Typed readers of ``arch/rr``: record/replay policies and their sanitizers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from x07py.contracts.defaults import POLICY_ID, policy_document, policy_index, sanitizer_document
from x07py.contracts.loader import JsonObject, find_by_id, ids_of, read_contract, resolve_inside
from x07py.errors import ContractError

if TYPE_CHECKING:
    from pathlib import Path

RR_INDEX = "arch/rr/index.x07rr.json"
MODES = ("off", "record_v1", "replay_v1", "record_missing_v1", "rewrite_v1")
MATCH_MODES = ("lookup_v1", "transcript_v1")
LIMITS = ("max_cassette_bytes", "max_entries", "max_req_bytes", "max_resp_bytes", "max_key_bytes")
_SANITIZER_LISTS = ("redact_headers", "redact_fields", "keep")
_HINT = "x07 arch check shows every fault of the contracts"


@dataclass(frozen=True, slots=True)
class Sanitizer:
    """What is taken out of messages before they reach a cassette.

    Args:
        id: name of the sanitizer.
        redact_headers: names of headers, properties, fields, arguments and settings beside the usual ones; compared
            without regard to case.
        redact_token: text that replaces the value.
        salt: if set, the replacement also carries a keyed digest, so that equal values stay equal.
        redact_fields: values of JSON in messages, as JSONPath.
        keep: names that are usual for secrets and are written as they are.
    """

    id: str
    redact_headers: frozenset[str]
    redact_token: str
    salt: str | None = None
    redact_fields: tuple[str, ...] = ()
    keep: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RRPolicy:
    """One record/replay policy as the index and its files state it; sizes in bytes.

    ``unused_entries`` is ``error`` (a replay that leaves entries unused fails) or ``ignore``.
    """

    id: str
    mode_default: str
    match_mode: str
    max_cassette_bytes: int
    max_entries: int
    max_req_bytes: int
    max_resp_bytes: int
    max_key_bytes: int
    modes_allowed: frozenset[str]
    worlds_allowed: frozenset[str]
    kinds_allowed: frozenset[str]
    ops_allowed: frozenset[str]
    sanitizer: Sanitizer
    unused_entries: str = "error"
    source: str = field(default="", compare=False)


def read_rr_policy(root: Path, policy_id: str) -> RRPolicy:
    """Return the policy `policy_id` of the project at `root`; without an index of policies there is the built-in one.

    Raises:
        ContractError: ``X07RR_INDEX``, ``X07RR_POLICY_NOT_FOUND``, ``X07RR_POLICY`` or ``X07RR_SANITIZER`` for the
            file at fault; ``X07_CONTRACT_PATH`` for a path that leaves the project.
    """
    index_path = root / RR_INDEX
    index = _read_index(root)
    entry = find_by_id(index, "policies", policy_id)
    if entry is None:
        known = ids_of(index, "policies")
        raise ContractError(
            "X07RR_POLICY_NOT_FOUND",
            f"no policy has the id {policy_id!r}",
            where=str(index_path),
            hint=f"there are: {', '.join(known)}" if known else "the index lists no policy",
        )
    path, policy = index_path, policy_document(policy_id)
    if "policy_path" in entry:
        path = resolve_inside(root, str(entry["policy_path"]))
        policy = read_contract(path, root=root, code="X07RR_POLICY", hint=f"{RR_INDEX} names this file")
    if policy.get("id") != policy_id:
        raise _fault(path, f"the file's id is {policy.get('id')!r}, the index says {policy_id!r}")
    defaults = index.get("defaults")
    allowed = defaults.get("record_modes_allowed") if isinstance(defaults, dict) else None
    return RRPolicy(
        id=policy_id,
        mode_default=_choice(path, policy, "mode_default", MODES),
        match_mode=_choice(path, policy, "match_mode", MATCH_MODES),
        **_budgets(path, policy),
        modes_allowed=frozenset(_strings(allowed)) or frozenset({"replay_v1"}),
        worlds_allowed=frozenset(_strings(entry.get("worlds_allowed"))),
        kinds_allowed=frozenset(_strings(entry.get("kinds_allowed"))),
        ops_allowed=frozenset(_strings(entry.get("ops_allowed"))),
        sanitizer=_read_sanitizer(root, entry),
        unused_entries=_choice(path, {"unused_entries": "error", **policy}, "unused_entries", ("error", "ignore")),
        source=str(path),
    )


def _read_index(root: Path) -> JsonObject:
    if not (root / RR_INDEX).exists():
        return policy_index(POLICY_ID)
    return read_contract(root / RR_INDEX, root=root, code="X07RR_INDEX", hint=f"recording needs {RR_INDEX}")


def only_policy_id(root: Path) -> str:
    """Return the id of the project's policy where there is exactly one, the built-in one's where there is no index.

    Raises:
        ContractError: ``X07RR_INDEX`` if the index cannot be read, ``X07RR_POLICY_NOT_FOUND`` if it lists none or
            several.
    """
    path = root / RR_INDEX
    known = ids_of(_read_index(root), "policies")
    if len(known) != 1:
        raise ContractError(
            "X07RR_POLICY_NOT_FOUND",
            f"the project has {len(known)} policies and none is named",
            where=str(path),
            hint=f"name one of: {', '.join(known)}" if known else "add one",
        )
    return known[0]


def _read_sanitizer(root: Path, entry: JsonObject) -> Sanitizer:
    path, document = root / RR_INDEX, sanitizer_document(str(entry.get("sanitize_id")))
    if "sanitize_path" in entry:
        path = resolve_inside(root, str(entry["sanitize_path"]))
        document = read_contract(path, root=root, code="X07RR_SANITIZER", hint=f"{RR_INDEX} names this file")
    salt = document.get("stable_pseudonym_salt")
    token = document.get("redact_token", "<redacted>")
    if not isinstance(token, str) or (salt is not None and not isinstance(salt, str)):
        raise ContractError("X07RR_SANITIZER", "redact_token and salt must be strings", where=str(path), hint=_HINT)
    lists: dict[str, list[str]] = {}
    for name in _SANITIZER_LISTS:
        given = document.get(name, None if name == "redact_headers" else [])
        if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
            raise ContractError("X07RR_SANITIZER", f"{name} must be a list of strings", where=str(path), hint=_HINT)
        lists[name] = given
    wanted = entry.get("sanitize_id")
    if document.get("id") != wanted:
        message = f"the file's id is {document.get('id')!r}, the index says {wanted!r}"
        raise ContractError("X07RR_SANITIZER", message, where=str(path), hint=_HINT)
    return Sanitizer(
        str(wanted),
        frozenset(name.lower() for name in lists["redact_headers"]),
        token,
        salt or None,
        tuple(lists["redact_fields"]),
        frozenset(name.lower() for name in lists["keep"]),
    )


def _budgets(path: Path, policy: JsonObject) -> dict[str, int]:
    table = policy.get("budgets")
    if not isinstance(table, dict):
        raise _fault(path, "budgets is missing")
    for name in LIMITS:
        value = table.get(name)
        top = 2**64 if name == "max_cassette_bytes" else 2**32
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < top:
            raise _fault(path, f"budgets.{name} is not a number from 0 to {top - 1}")
    return {name: table[name] for name in LIMITS}


def _choice(path: Path, table: JsonObject, name: str, allowed: tuple[str, ...]) -> str:
    value = table.get(name)
    if value not in allowed:
        raise _fault(path, f"{name} must be one of {', '.join(allowed)}")
    return str(value)


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _fault(path: Path, message: str) -> ContractError:
    return ContractError("X07RR_POLICY", message, where=str(path), hint=_HINT)
