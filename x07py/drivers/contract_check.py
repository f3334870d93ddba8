"""What `x07 arch check` gives to a driver's own check of its contracts; public for authors of drivers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from x07py.contracts.loader import JsonObject

PROFILE_FAULT = "E_ARCH_MSG_DRIVER_PROFILE"
"""The code for whatever is wrong in the contracts of a driver of others."""


class ContractCheck(Protocol):
    """The check of the contracts of one kind; a fault is reported, never raised.

    A schema is a JSON Schema; if it has a constant for ``schema_version``, a file with another one is told so.
    """

    def fault(self, code: str, message: str, *, path: str, hint: str, data: Mapping[str, object] | None = None) -> None:
        """Report what is wrong with a file, and what to do."""

    def index(self, path: str, schema: str | JsonObject, code: str) -> JsonObject | None:
        """Return an index that fits its schema, or None after a fault; it goes into the lock of contracts."""

    def document(self, path: str, schema: str | JsonObject, code: str, wanted: str) -> JsonObject | None:
        """Return a file that fits its schema and calls itself `wanted`, or None after a fault."""

    def unique(self, rows: list[JsonObject], key: str, what: str, path: str) -> None:
        """Report values of `key` that stand twice in the rows of a file."""

    def names(self, *, profiles: Iterable[str] = (), queues: Iterable[str] = (), keys: Iterable[str] = ()) -> None:
        """Let code name these profiles, queues and routing keys."""

    def names_unknown(self) -> None:
        """Judge no names of topics in code, since a file that declares some could not be read."""

    def entry(self, entry: JsonObject, path: str, budget_code: str, facts: Mapping[str, object]) -> None:
        """Report a row of an index whose ``rr_policy_id`` or ``budget_profile_id`` does not exist."""

    def cleartext(self, hosts: list[str], path: str) -> None:
        """Report hosts on other machines, where a profile logs in without TLS."""

    def uses_secrets(self, entry: JsonObject, path: str) -> None:
        """Report a profile with secrets whose policy redacts no header."""

    def largest_message(self, name: str, size: int, entry: JsonObject, path: str) -> None:
        """Report a size of messages, in bytes, that does not fit a recording, or is less than a topic admits."""
