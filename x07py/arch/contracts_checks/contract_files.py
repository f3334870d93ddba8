"""Reading contract files for the check: every fault is a finding, and every file that can be read is digested."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError

from x07py.arch.documents import canonical, jcs_sha256, schema_faults, schema_findings
from x07py.arch.editor import named_schema
from x07py.arch.model import finding
from x07py.arch.place import POINTER, escaped
from x07py.arch.repair import Patch
from x07py.contracts.defaults import filled
from x07py.contracts.loader import parse_json, resolve_inside
from x07py.contracts.schemas import is_shipped, load_schema
from x07py.errors import ContractError
from x07py.files import CONTRACT_BYTES, read_file
from x07py.serialization.dialects import check_patterns, check_schema
from x07py.serialization.patterns import PatternError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from x07py.contracts.loader import JsonObject
    from x07py.diag import Diagnostic
    from x07py.msg import TopicPattern

_EXAMPLE = "docs/examples/contracts_project/arch holds a complete set to copy"
_OWN_SCHEMA = "correct the file, or take the message's schema out of the index"
_USER_OF_URL = re.compile(r"://([^/@\s]*)@")
_PASSWORD_FIRST = re.compile(r"[^/@\s:]+:[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class LoadCodes:
    """The codes of one kind of file: not there, not JSON, another version, a broken schema."""

    missing: str
    syntax: str
    version: str
    schema: str


def one_code(code: str) -> LoadCodes:
    """Return one code for all that may be wrong with a file."""
    return LoadCodes(code, code, code, code)


@dataclass(slots=True)
class Contracts:
    """The state of one check of contracts: findings, digests for the lock, budget, and what other domains refer to.

    Args:
        root: folder that paths are relative to.
        max_files: most files that may be read; each path counts once.
        max_bytes: most bytes that may be read.
        canonical: whether files must stand in the canonical form of RFC 8785.
        rr_entries: entries of the rr index by id.
        budgets: entries of the budgets index by id.
        read: which of these indexes, ``rr`` and ``budgets``, could be read.
        topics, topic_patterns, queues, routing_keys, profiles: what code may name.
        built_in_budgets: whether the project has no budgets of its own, so that the built-in ones may be named.
        broker_ids: entries of profiles and topologies so far, by what they are.
        broken: which of them could not; what refers to their entries is not judged, since one cause is one finding.
        repairs: patches that mend some of the findings.
        editor_schemas: schemas of x07py that the files name for editors.
    """

    root: Path
    max_files: int
    max_bytes: int
    findings: list[Diagnostic] = field(default_factory=list)
    indexes: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    rr_policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    sanitized: dict[str, bool] = field(default_factory=dict)
    rr_entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    budgets: dict[str, dict[str, Any]] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    topic_bytes: int = 0
    topics: set[str] = field(default_factory=set)
    topic_patterns: list[TopicPattern] = field(default_factory=list)
    queues: set[str] = field(default_factory=set)
    routing_keys: set[str] = field(default_factory=set)
    profiles: set[str] = field(default_factory=set)
    built_in_budgets: bool = False
    broker_ids: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    bytes_read: int = 0
    over: bool = False
    canonical: bool = False
    repairs: list[Patch] = field(default_factory=list)
    editor_schemas: set[str] = field(default_factory=set)

    def report(self, row: Diagnostic) -> None:
        """Add a finding."""
        self.findings.append(row)

    def require_folders(self, folders: Iterable[tuple[str, str]]) -> None:
        """Report each folder, given with the code for it, that does not exist."""
        for folder, code in folders:
            if not (self.root / folder).is_dir():
                self.report(finding(code, "the folder does not exist", path=folder, hint=f"mkdir -p {folder}"))

    def repair(self, path: str, operations: tuple[dict[str, Any], ...], note: str) -> None:
        """Suggest a patch of a contract file."""
        self.repairs.append(Patch(path, operations, note, canonical=self.canonical))

    def load(
        self,
        path: str,
        schema: str | JsonObject,
        codes: LoadCodes,
        *,
        index: bool = False,
        defaults: Mapping[str, object] | None = None,
    ) -> dict[str, Any] | None:
        """Return a contract file that fits its schema, or None after a finding that says why not.

        Args:
            path: the file, relative to the root.
            schema: its schema, or the name of one that x07py ships.
            codes: codes of what may be wrong with it.
            index: whether it goes among the indexes of the lock.
            defaults: values that a repair may fill in for required fields.
        """
        data = self._read(path, codes)
        if data is None:
            return None
        try:
            document = parse_json(data)
        except (ValueError, RecursionError) as error:
            self.report(finding(codes.syntax, f"not valid JSON: {error}", path=path, hint=_EXAMPLE))
            return None
        (self.indexes if index else self.files)[path] = jcs_sha256(document)
        if editors := named_schema(document):
            self.editor_schemas.add(editors)
        self._credentials(document, path)
        self._form(data, document, path)
        found = document.get("schema_version") if isinstance(document, dict) else None
        wider = _wider(schema)
        if wider is not None and isinstance(found, str) and found.startswith(f"{wider}@"):
            schema = wider
        whole = load_schema(schema) if isinstance(schema, str) else schema
        expected = whole.get("properties", {}).get("schema_version", {}).get("const")
        if expected is not None and found != expected:
            message = f"schema_version is {found!r}, not {expected!r}"
            facts = {"expected": expected, "got": found}
            self.report(finding(codes.version, message, path=path, hint=f"write {expected!r}", data=facts))
            return None
        faults = schema_findings(document, schema, codes.schema, path, _hint(document, schema))
        self.findings += faults
        lacking = {key: value for key, value in (defaults or {}).items() if key not in document}
        if lacking and faults:
            operations = tuple({"op": "add", "path": f"/{key}", "value": value} for key, value in lacking.items())
            self.repair(path, operations, "fill in what is required")
        return None if faults else filled(document)

    def _form(self, data: bytes, document: object, path: str) -> None:
        if self.canonical and data.rstrip(b"\n") != canonical(document):
            self.report(
                finding(
                    "E_ARCH_CONTRACT_NOT_CANONICAL",
                    "the file is not in canonical form (RFC 8785), and canonical_json.require asks for it",
                    path=path,
                    hint="x07 arch check --write",
                )
            )
            self.repair(path, (), "write it in canonical form")

    def json_schema(self, path: str, code: str) -> None:
        """Take the JSON Schema of a message up, or report why it is none."""
        data = self._read(path, one_code(code))
        if data is None:
            return
        try:
            document = parse_json(data)
            check_schema(document, Draft7Validator)
            check_patterns(document, Draft7Validator)
        except PatternError as error:
            self.report(finding(code, error.message, path=path, hint=error.hint))
        except (ValueError, RecursionError) as error:
            self.report(finding(code, f"not valid JSON: {error}", path=path, hint=_OWN_SCHEMA))
        except SchemaError as error:
            at = "/".join(map(str, error.path)) or "its top"
            self.report(finding(code, f"no JSON Schema: {error.message} at {at}", path=path, hint=_OWN_SCHEMA))
        else:
            self.files[path] = jcs_sha256(document)

    def pinned_schema(self, path: str, code: str) -> bytes | None:
        """Return a file that is no contract itself, whose digest the lock keeps; None after a finding."""
        data = self._read(path, one_code(code))
        if data is not None:
            self.files[path] = hashlib.sha256(data).hexdigest()
        return data

    def _read(self, path: str, codes: LoadCodes) -> bytes | None:
        try:
            data = read_file(resolve_inside(self.root, path), limit=CONTRACT_BYTES)
        except ContractError as error:
            self.report(finding("E_ARCH_CONTRACT_PATH", error.message, path=path, hint=error.hint))
            return None
        except FileNotFoundError:
            facts = {"path": path}
            self.report(finding(codes.missing, "the file does not exist", path=path, hint=_EXAMPLE, data=facts))
            return None
        except (OSError, ValueError) as error:
            self.report(finding(codes.syntax, f"cannot be read: {error}", path=path, hint="check the path"))
            return None
        self.bytes_read += len(data)
        count = len(self.indexes) + len(self.files) + 1
        if count <= self.max_files and self.bytes_read <= self.max_bytes:
            return data
        if not self.over:
            name = "max_contract_files" if count > self.max_files else "max_contract_bytes"
            limit = self.max_files if count > self.max_files else self.max_bytes
            self.report(
                finding(
                    "E_ARCH_TOOL_BUDGET_EXCEEDED",
                    f"the contracts are larger than tool_budgets.contracts_budgets.{name}, which is {limit}",
                    path=path,
                    hint=f"raise {name} in the manifest",
                    data={"budget": f"tool_budgets.contracts_budgets.{name}", name: limit},
                )
            )
        self.over = True
        return None

    def _credentials(self, document: Any, path: str) -> None:
        """Refuse ``user:password@`` in any text of a contract."""
        stack = [(document, "")]
        while stack:
            value, pointer = stack.pop()
            if isinstance(value, str) and _holds_credentials(value):
                self.report(
                    finding(
                        "E_ARCH_SECRET_IN_CONTRACT",
                        "the contract holds a user and a password",
                        path=path,
                        hint="name secrets by username_secret_id and password_secret_id; change the password now",
                        data={POINTER: pointer},
                    )
                )
                return
            inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
            stack += [(one, f"{pointer}/{escaped(name)}") for name, one in inside]

    def unique(self, rows: list[dict[str, Any]], key: str, what: str, path: str) -> None:
        """Report values of `key` that stand twice."""
        seen: set[str] = set()
        for row in rows:
            if row[key] in seen:
                self.report(
                    finding(
                        "E_ARCH_CONTRACT_DUPLICATE_ID",
                        f"two {what} are called {row[key]!r}",
                        path=path,
                        hint="rename one of them, or drop it",
                        data={"id": row[key]},
                    )
                )
            seen.add(row[key])

    def same_id(self, document: dict[str, Any], wanted: str, path: str) -> None:
        """Report a document whose id is not the one that its index gives it."""
        if document["id"] != wanted:
            self.report(
                finding(
                    "E_ARCH_CONTRACT_ID_MISMATCH",
                    f"the index calls this file {wanted!r}, and it calls itself {document['id']!r}",
                    path=path,
                    hint="give both the same id",
                    data={"id": wanted, "doc_id": document["id"]},
                )
            )


def _holds_credentials(text: str) -> bool:
    """Tell whether a text is an address with a password in it; each of its characters is looked at twice at most."""
    users = (match[1] for match in _USER_OF_URL.finditer(text))
    return any(":" in user[:-1] for user in users) or _PASSWORD_FIRST.match(text) is not None


def _wider(schema: str | JsonObject) -> str | None:
    """Return x07py's schema with more fields than that of the reference, if there is one.

    A file says by its schema_version which of the two it keeps.
    """
    own = f"x07py.{schema.removeprefix('x07.')}" if isinstance(schema, str) and schema.startswith("x07.") else ""
    return own if own and is_shipped(own) else None


def _hint(document: dict[str, Any], schema: str | JsonObject) -> str:
    """Return what to do about faults: a file may have to say that it has fields which the reference lacks."""
    wider = _wider(schema)
    if wider is None:
        return _EXAMPLE
    version = load_schema(wider)["properties"]["schema_version"]["const"]
    if schema_faults({**document, "schema_version": version}, wider):
        return _EXAMPLE
    return f"the reference does not have this; write schema_version {version!r} to use it"
