"""``contracts_v1.rr``: the record/replay index, its policies and sanitizers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.arch.contracts_checks.contract_files import LoadCodes
from x07py.arch.model import finding
from x07py.contracts.defaults import POLICY_ID, policy_document, policy_index, sanitizer_document
from x07py.contracts.project import PYPROJECT
from x07py.contracts.rr import RR_INDEX
from x07py.files import MANIFEST_BYTES, parse_toml, read_file

if TYPE_CHECKING:
    from pathlib import Path

    from x07py.arch.contracts_checks.contract_files import Contracts

BRAND = "std.rr.cassette_v1"
_INDEX = LoadCodes(
    "E_ARCH_RR_INDEX_READ",
    "E_ARCH_RR_INDEX_JSON_PARSE",
    "E_ARCH_RR_INDEX_SCHEMA_VERSION",
    "E_ARCH_RR_INDEX_SCHEMA_INVALID",
)
_POLICY = LoadCodes(
    "E_ARCH_RR_POLICY_READ",
    "E_ARCH_RR_POLICY_JSON_PARSE",
    "E_ARCH_RR_POLICY_SCHEMA_VERSION",
    "E_ARCH_RR_POLICY_SCHEMA_INVALID",
)
_SANITIZER = LoadCodes(
    "E_ARCH_RR_SANITIZER_READ",
    "E_ARCH_RR_SANITIZER_JSON_PARSE",
    "E_ARCH_RR_SANITIZER_SCHEMA_VERSION",
    "E_ARCH_RR_SANITIZER_SCHEMA_INVALID",
)
_SANITIZER_DEFAULTS = {"v": 1, "redact_headers": [], "redact_token": ""}
_SORTED = {
    "worlds_allowed": "E_ARCH_RR_POLICY_WORLDS_NOT_SORTED",
    "kinds_allowed": "E_ARCH_RR_POLICY_KINDS_NOT_SORTED",
    "ops_allowed": "E_ARCH_RR_POLICY_OPS_NOT_SORTED",
}
_KINDS = (
    ("std.rr.", "rr"),
    ("std.stream.src.rr_send_v1", "rr"),
    ("std.msg.", "rr"),
    ("std.crawl.", "rr"),
    ("std.net.http.", "http"),
    ("std.os.process.", "process"),
    ("std.net.tcp.", "tcp_stream"),
    ("std.net.tls.", "tcp_stream"),
    ("std.fs.", "file"),
    ("std.os.fs.", "file"),
)


def kind_of(op: str, root: Path) -> str | None:
    """Return the kind of an operation, None if it has none; a driver's, installed or made here, is ``rr``."""
    from x07py.drivers.plugin import driver_kinds

    found = next((kind for prefix, kind in _KINDS if op.startswith(prefix)), None)
    if found is None and op.partition(".")[0] in {*driver_kinds(), *_made_here(root)}:
        return "rr"
    return found


def _made_here(root: Path) -> list[str]:
    """Return the kinds of drivers that the project itself registers."""
    try:
        document = parse_toml(read_file(root / PYPROJECT, limit=MANIFEST_BYTES, root=root).decode())
        return list(document["project"]["entry-points"]["x07.drivers"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return []


def check_rr(state: Contracts, config: dict[str, Any]) -> None:
    """Check the domain and remember its policies for the domains that refer to them."""
    folders = (("arch/rr", "E_ARCH_RR_DIR_MISSING"), (config["gen_dir"], "E_ARCH_RR_GEN_DIR_MISSING"))
    state.require_folders(folders)
    path = config["index_path"]
    index = state.load(path, "x07.arch.rr.index", _INDEX, index=True)
    if index is None:
        state.broken.add("rr")
        return
    state.read.add("rr")
    modes = index.get("defaults", {}).get("record_modes_allowed", ["replay_v1"])
    _order(state, index, modes, path)
    for place, entry in enumerate(index["policies"]):
        _entry(state, entry, path, place)
        _documents(state, entry, modes, path)


def build_in_policy(state: Contracts) -> None:
    """Let contracts name the built-in policy in a project that has no index of policies."""
    if not (state.root / RR_INDEX).exists():
        (state.rr_entries[POLICY_ID],) = policy_index(POLICY_ID)["policies"]
        state.rr_policies[POLICY_ID] = policy_document(POLICY_ID)
        state.sanitized[POLICY_ID] = True


def _order(state: Contracts, index: dict[str, Any], modes: list[str], path: str) -> None:
    ids = [entry["id"] for entry in index["policies"]]
    state.unique(index["policies"], "id", "policies", path)
    facts = {"index_path": path}
    if ids != sorted(ids):
        message = "policies are not sorted by id"
        state.report(finding("E_ARCH_RR_INDEX_NOT_SORTED", message, path=path, hint="sort them", data=facts))
    if modes != sorted(modes):
        code = "E_ARCH_RR_INDEX_DEFAULTS_NOT_SORTED"
        state.report(finding(code, "record_modes_allowed is not sorted", path=path, hint="sort it", data=facts))
    if len(set(modes)) < len(modes):
        code = "E_ARCH_RR_INDEX_DEFAULTS_DUP"
        message = "record_modes_allowed has a mode twice"
        state.report(finding(code, message, path=path, hint="drop one", data=facts))


def _entry(state: Contracts, entry: dict[str, Any], path: str, place: int) -> None:
    state.rr_entries[entry["id"]] = entry
    facts = {"policy_id": entry["id"]}
    brand = entry["cassette_brand"]
    if brand.strip() != BRAND:
        code = "E_ARCH_RR_CASSETTE_BRAND_UNSUPPORTED"
        message = f"cassette_brand of policy {entry['id']} is {brand!r}"
        state.report(
            finding(code, message, path=path, hint=f"write {BRAND!r}", data={**facts, "cassette_brand": brand})
        )
    for name, code in _SORTED.items():
        if entry[name] != sorted(entry[name]):
            message = f"{name} of policy {entry['id']} is not sorted"
            state.report(finding(code, message, path=path, hint="sort it, or x07 arch check --write", data=facts))
            operation = {"op": "replace", "path": f"/policies/{place}/{name}", "value": sorted(entry[name])}
            state.repair(path, (operation,), "sort what policies allow")
    for op in entry["ops_allowed"]:
        kind = kind_of(op, state.root)
        if kind is None:
            message = f"policy {entry['id']} allows {op!r}, which is of no known kind"
            hint = (
                "correct the name; operations start with std.msg., std.net.http., std.fs. and so on, "
                "or with the kind of a driver that is installed"
            )
            state.report(finding("E_ARCH_RR_OP_KIND_UNKNOWN", message, path=path, hint=hint, data={**facts, "op": op}))
        elif kind not in entry["kinds_allowed"]:
            message = f"policy {entry['id']} allows {op}, which is of kind {kind!r}, and not that kind"
            hint = f"add {kind!r} to kinds_allowed, or drop the operation"
            more = {**facts, "op": op, "kind": kind}
            state.report(finding("E_ARCH_RR_OP_KIND_NOT_ALLOWED", message, path=path, hint=hint, data=more))


def _documents(state: Contracts, entry: dict[str, Any], modes: list[str], index_path: str) -> None:
    path = entry.get("policy_path", index_path)
    policy = state.load(path, "x07.arch.rr.policy", _POLICY) if "policy_path" in entry else policy_document(entry["id"])
    state.rr_policies[entry["id"]] = policy or {}
    if policy is not None and policy["id"] != entry["id"]:
        facts = {"policy_id": entry["id"], "policy_doc_id": policy["id"], "policy_path": path}
        message = f"the index calls this policy {entry['id']!r}, and it calls itself {policy['id']!r}"
        state.report(
            finding("E_ARCH_RR_POLICY_ID_MISMATCH", message, path=path, hint="give both the same id", data=facts)
        )
    if policy is not None and policy["mode_default"] not in modes:
        mode = policy["mode_default"]
        facts = {"policy_id": entry["id"], "mode_default": mode}
        message = f"mode_default is {mode!r}, and the index allows {', '.join(modes)}"
        state.report(
            finding(
                "E_ARCH_RR_POLICY_MODE_NOT_ALLOWED",
                message,
                path=path,
                hint="use one of these, or add it to record_modes_allowed of the index",
                data={**facts, "index_record_modes_allowed": modes},
            )
        )
    path = entry.get("sanitize_path", index_path)
    sanitizer: dict[str, Any] | None = sanitizer_document(entry["sanitize_id"])
    if "sanitize_path" in entry:
        sanitizer = state.load(path, "x07.arch.rr.sanitize", _SANITIZER, defaults=_SANITIZER_DEFAULTS)
    if sanitizer is not None:
        state.sanitized[entry["id"]] = bool(sanitizer["redact_headers"])
    if sanitizer is not None and sanitizer["id"] != entry["sanitize_id"]:
        facts = {
            "sanitize_id": entry["sanitize_id"],
            "sanitize_doc_id": sanitizer["id"],
            "sanitize_path": path,
        }
        message = f"the index calls this sanitizer {entry['sanitize_id']!r}, and it calls itself {sanitizer['id']!r}"
        state.report(
            finding("E_ARCH_RR_SANITIZER_ID_MISMATCH", message, path=path, hint="give both the same id", data=facts)
        )
