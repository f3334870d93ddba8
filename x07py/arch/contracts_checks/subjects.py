"""Pinned schemas: ``arch/msg/schemas``, each readable, and each version fit for those before it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from x07py.arch.contracts_checks.contract_files import one_code
from x07py.arch.model import finding
from x07py.contracts.subjects import INDEX, INDEX_SCHEMA, Pins
from x07py.errors import ContractError, NotInstalledError, SchemaError
from x07py.serialization import Schema, UnfinishedError, misfits, parse

if TYPE_CHECKING:
    from x07py.arch.contracts_checks.contract_files import Contracts
    from x07py.contracts.subjects import PinnedSubject

_INDEX = "E_ARCH_MSG_SUBJECTS"
_SCHEMA = "E_ARCH_MSG_SUBJECT_SCHEMA"
_MISFIT = "E_ARCH_MSG_SUBJECT_INCOMPATIBLE"
_LIBRARY = "E_ARCH_MSG_SUBJECT_LIBRARY"
PATIENCE_S = 30.0
"""How long all comparisons of a project may take, in seconds of the processor."""


class _AlreadyToldError(Exception):
    """A file cannot be read, and a finding says so."""


class _Patience:
    """How long the comparisons of all subjects may take: seconds of the processor, in this thread."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.thread_time() + seconds

    def is_over(self) -> bool:
        return time.thread_time() > self._end


def check_subjects(state: Contracts) -> None:
    """Check what the project pins, if it pins any schema."""
    if not (state.root / INDEX).exists():
        return
    index = state.load(INDEX, INDEX_SCHEMA, one_code(_INDEX), index=True)
    if index is None:
        return
    state.unique(index["subjects"], "subject", "subjects", INDEX)

    def read(path: str) -> bytes:
        data = state.pinned_schema(path, _SCHEMA)
        if data is None:
            raise _AlreadyToldError
        return data

    pins, patience = Pins(index, read), _Patience(PATIENCE_S)
    for row in index["subjects"]:
        state.unique([{"version": str(one["version"])} for one in row["versions"]], "version", "versions", INDEX)
        try:
            subject = pins.subject(row)
            if _readable(state, row, subject):
                _compare(state, row, subject, patience)
        except _AlreadyToldError:
            continue
        except ContractError as error:
            state.report(finding(_INDEX, error.message, path=INDEX, hint=error.hint or ""))
        except SchemaError as error:
            _report(state, row, _SCHEMA, error.message, "correct the file")
        except NotInstalledError as error:
            message = f"schemas of {row['subject']!r} cannot be checked: {error.message}"
            state.report(finding(_LIBRARY, message, path=INDEX, hint=error.hint or ""))


def _readable(state: Contracts, row: dict[str, Any], subject: PinnedSubject) -> bool:
    """Report each version that is no schema of its kind."""
    before = len(state.findings)
    for number, pinned in subject.versions.items():
        try:
            parse(pinned.schema)
        except SchemaError as error:
            path = next(one["path"] for one in row["versions"] if one["version"] == number)
            state.report(finding(_SCHEMA, error.message, path=path, hint="correct the file"))
    return len(state.findings) == before


def _compare(state: Contracts, row: dict[str, Any], subject: PinnedSubject, patience: _Patience) -> None:
    paths = {one["version"]: one["path"] for one in row["versions"]}
    schemas: dict[int, Schema] = {number: one.schema for number, one in subject.versions.items()}
    hint = f"change the newer version, or its subject's compatibility, {subject.compatibility!r}, in {INDEX}"
    try:
        for reader, writer, reasons in misfits(subject.compatibility, schemas, patience.is_over):
            what = f"version {reader} of {subject.name!r} cannot read what version {writer} wrote"
            facts = {"subject": subject.name, "reader": reader, "writer": writer}
            message = f"{what}: {'; '.join(reasons)}"[:1000]
            state.report(finding(_MISFIT, message, path=paths[max(reader, writer)], hint=hint, data=facts))
    except UnfinishedError as error:
        message = (
            f"{subject.name!r} is not shown to be {subject.compatibility}: {error.made} of {error.wanted} comparisons "
            f"took the {patience.seconds:g} s that a project's schemas have"
        )
        hint = f"unpin versions that nobody writes any more, or choose a level that is not transitive in {INDEX}"
        state.report(finding(_MISFIT, message, path=INDEX, hint=hint, data={"subject": subject.name}))


def _report(state: Contracts, row: dict[str, Any], code: str, message: str, hint: str) -> None:
    state.report(finding(code, f"{row['subject']}: {message}", path=INDEX, hint=hint))
