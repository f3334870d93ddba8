"""Manifests of services: ``arch/msg/services/*.service.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.arch.contracts_checks.contract_files import LoadCodes
from x07py.arch.model import finding
from x07py.contracts.service import ENDING, EXACTLY_ONCE, FOLDER, SCHEMA, service_fault, service_ids
from x07py.drivers.plugin import find_driver
from x07py.errors import X07Error

if TYPE_CHECKING:
    from x07py.arch.contracts_checks.contract_files import Contracts

_CODE = "E_ARCH_MSG_SERVICE"
_TRANSACTION = "commit_transaction"


def check_services(state: Contracts) -> None:
    """Check each manifest: its form, and that the profile and what it consumes are in the contracts."""
    for name in service_ids(state.root):
        path = f"{FOLDER}/{name}{ENDING}"
        document = state.load(path, SCHEMA, LoadCodes(_CODE, _CODE, _CODE, _CODE))
        if document is None:
            continue
        state.same_id(document, name, path)
        wrong = service_fault(document) or _misfit(document)
        if wrong:
            _report(state, path, wrong, "correct the manifest")
        if document["profile"] not in state.profiles and "profiles" not in state.broken:
            message = f"no {document['driver']} profile is called {document['profile']!r}"
            _report(state, path, message, "name a profile of the project")
        for source in document["sources"]:
            if "topics" not in state.broken and not _known(state, source):
                message = f"it consumes {source!r}, which neither the topics nor a topology have"
                _report(state, path, message, "list it in arch/msg/index.x07msg.json, or declare the queue")


def _misfit(document: dict[str, Any]) -> str:
    """Return what of a manifest its broker does not have; empty if there is nothing, or no driver to ask."""
    kind = document["driver"]
    try:
        dialect = find_driver(kind).dialect
    except X07Error:
        return ""
    if dialect.start is not None and not document.get("group"):  # positions are those of a group
        return f"a service on {kind} needs a group"
    if document.get("ack_mode") == EXACTLY_ONCE and _TRANSACTION not in dialect.operations:
        return f"{EXACTLY_ONCE} needs transactions, and {kind} has none"
    return ""


def _known(state: Contracts, source: str) -> bool:
    listed = source in state.topics or source in state.queues
    return listed or any(pattern.matches(source) for pattern in state.topic_patterns)


def _report(state: Contracts, path: str, message: str, hint: str) -> None:
    state.report(finding(_CODE, message, path=path, hint=hint))
