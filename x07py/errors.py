"""The exception tree of x07py. Every error has a code; ``x07 explain CODE`` tells what it means.

::

    X07Error
    ├── UsageError            a call or command line that cannot be meant
    ├── FileError             a file that cannot be read or written (X07IO_*)
    ├── CodecError
    │   ├── DataModelError    DataModel documents
    │   ├── EnvelopeError     X7ME envelopes (9501 to 9509)
    │   └── RecordError       X7MR records (9601 to 9604)
    ├── CassetteError         record and replay (2000 to 2099)
    │   └── ReplayMismatchError    the program asked for something that was not recorded
    ├── ContractError         a file under arch/ that a program needs and cannot use
    ├── BudgetError           a budget scope that was exceeded (0x80000001 to 0x80000006)
    ├── DriverError           brokers and their drivers (9610 to 9699)
    │   ├── KafkaError        97xx
    │   └── AmqpError         98xx
    ├── PumpError             the adapter loop (9900 to 9949)
    ├── ArchError             the architecture check could not run (E_ARCH_*)
    ├── PackageError          packages and lock files (X07PKG_*)
    └── RunError              worlds, policies and the sandbox (X07RUN_*)

Codes that the reference toolchain defines keep its number and meaning; the others are x07py's own.
"""

from __future__ import annotations


class X07Error(Exception):
    """Base of all errors that x07py raises on purpose.

    Args:
        code: stable identifier, a number for wire-level errors, else an upper-case word.
        message: what happened, one sentence without a full stop.
        where: file, message coordinates or option that the error is about.
        hint: what the reader can do about it.
    """

    def __init__(self, code: int | str, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.where = where
        self.hint = hint
        self.details: dict[str, object] = {}
        """Facts for programs, where an error has more to say than its message; part of its JSON report."""
        if hint:
            self.add_note(f"help: {hint}")

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"[{self.code}] {self.message}{place}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.code, self.message, self.where, self.hint)


def _rebuild(kind: type[X07Error], code: int | str, message: str, where: str | None, hint: str | None) -> X07Error:
    return kind(code, message, where=where, hint=hint)


class UsageError(X07Error):
    """A call or command line that cannot be meant."""


class FileError(X07Error):
    """A file that cannot be read or written."""


class CodecError(X07Error):
    """Bytes that do not decode, or a value that has no encoding."""


class DataModelError(CodecError):
    """A DataModel document that does not decode or encode."""


class EnvelopeError(CodecError):
    """A message envelope that does not decode or encode."""


class RecordError(CodecError):
    """A message record that does not decode or encode."""


class CassetteError(X07Error):
    """A cassette that cannot be read, written, or used as asked."""


class ReplayMismatchError(CassetteError):
    """The program asked for something that the cassette does not hold."""


class ContractError(X07Error):
    """A contract file under ``arch/`` that a program needs and cannot use."""


class BudgetError(X07Error):
    """A budget scope that was exceeded."""


class DriverError(X07Error):
    """A broker operation that failed."""


class KafkaError(DriverError):
    """A Kafka operation that failed."""


class AmqpError(DriverError):
    """An AMQP operation that failed."""


class PumpError(X07Error):
    """The adapter loop cannot start or go on."""


class ArchError(X07Error):
    """The architecture check could not run."""


class PackageError(X07Error):
    """A package operation that failed."""


class RunError(X07Error):
    """A program that could not be run in the world that was asked for."""
