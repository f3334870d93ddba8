"""The exception tree of x07py. Every error has a code; ``x07 explain CODE`` tells what it means.

::

    X07Error
    ├── UsageError            a call or command line that cannot be meant
    ├── FileError             a file that cannot be read or written (X07IO_*)
    ├── CodecError
    │   ├── DataModelError    DataModel documents
    │   ├── EnvelopeError     X7ME envelopes (9501 to 9509)
    │   ├── RecordError       X7MR records (9601 to 9604)
    │   └── SchemaError       values with a schema (9595 to 9598)
    │       └── SchemaUnknownError           a value was written by a schema that is not at hand
    ├── CassetteError         record and replay (2000 to 2099)
    │   └── ReplayMismatchError          the program and the recording part ways
    │       ├── NothingRecordedError         nothing is left that was recorded for this operation
    │       ├── DiffersFromRecordingError    a request is not the recorded one
    │       ├── OutOfOrderError              the recording goes on with something else
    │       ├── RecordingEndedError          nothing more will happen in the recording
    │       └── UnusedRecordingError         the program did less than was recorded
    ├── ContractError         a file under arch/ that a program needs and cannot use
    ├── BudgetError           a budget scope that was exceeded (0x80000001 to 0x80000006)
    ├── DriverError           brokers and their drivers (9610 to 9699; Kafka 97xx, AMQP 98xx)
    │   ├── UnreachableError             no broker answers
    │   ├── LoginRefusedError            the broker refuses the user, or what the user wants
    │   ├── TlsError                     TLS with the broker does not come about
    │   ├── NotFoundError                no such topic, queue or exchange
    │   ├── MessageRejectedError         a message that no broker would take as it is
    │   ├── UnroutableError              no queue takes the message
    │   ├── PublishRefusedError          the broker did not store a message
    │   ├── SchemaRefusedError           a schema registry does not take a schema
    │   ├── ConfirmTimeoutError          messages were not confirmed in time
    │   ├── NoAnswerError                no answer came to a request
    │   ├── ConsumerEndedError           the broker delivers no more
    │   ├── ChannelClosedError           the broker closed the channel
    │   ├── ProtocolError                a client or broker sent what its protocol does not have
    │   ├── CommitFailedError            offsets were not stored
    │   │   └── GroupLostError               the group went on without this consumer
    │   ├── SeekError                    a consumer cannot go to an offset
    │   ├── LagUnknownError              the lag of a group is not known
    │   ├── TransactionError             a transaction was not committed
    │   │   └── FencedError                  another instance writes under this transactional id
    │   ├── TopologyConflictError        an exchange or queue is there with other properties
    │   ├── DriverClosedError            an operation after close
    │   ├── UnsupportedError             an operation that this broker or stand-in does not have
    │   ├── SecretMissingError           a secret that the profile names is not there
    │   ├── NotInstalledError            a distribution or program that is needed is not installed
    │   └── DevelopmentBrokerError       a development broker did not start or end
    ├── PumpError             the adapter loop (9900 to 9949)
    ├── ArchError             the architecture check could not run (E_ARCH_*)
    ├── PackageError          packages and lock files (X07PKG_*)
    └── RunError              worlds, policies and the sandbox (X07RUN_*)

Codes that the reference toolchain defines keep its number and meaning; the others are x07py's own. An error that was
recorded comes back in a replay as the class that it had: `error_of` knows the class of each code.
"""

from __future__ import annotations

from typing import ClassVar

from x07py.printing import terminal


class X07Error(Exception):
    """Base of all errors that x07py raises on purpose.

    Args:
        code: stable identifier, a number for wire-level errors, else an upper-case word.
        message: what happened, one sentence without a full stop.
        where: file, message coordinates or option that the error is about.
        hint: what the reader can do about it.
    """

    retryable: ClassVar[bool] = False
    """Whether the same call may succeed when it is made again, with nothing changed but the time."""
    codes: ClassVar[frozenset[int]] = frozenset()
    """The numbers that belong to this class; empty where it has words for codes, or takes what no other class has."""

    def __init__(self, code: int | str, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.where = where
        self.hint = hint
        self.details: dict[str, object] = {}
        """Facts for programs, where an error has more to say than its message; part of its JSON report."""
        if hint:
            self.add_note(terminal(f"help: {hint}"))

    def __str__(self) -> str:
        first, line_end, rest = self.message.partition("\n")
        place = f" ({self.where})" if self.where else ""
        return terminal(f"[{self.code}] {first}{place}{line_end}{rest}")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.code, self.message, self.where, self.hint)


def _rebuild(kind: type[X07Error], code: int | str, message: str, where: str | None, hint: str | None) -> X07Error:
    return kind(code, message, where=where, hint=hint)


class UsageError(X07Error):
    """A call or command line that is not valid."""


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


class SchemaError(CodecError):
    """A value that does not go with its schema, or a schema that cannot be used."""


class SchemaUnknownError(SchemaError):
    """A value was written by a schema that is not at hand."""


class CassetteError(X07Error):
    """A cassette that cannot be read, written, or used as asked."""


class ReplayMismatchError(CassetteError):
    """The program does something else than was recorded; the base of what a replay raises."""


class NothingRecordedError(ReplayMismatchError):
    """Nothing is left that was recorded for this operation."""

    codes: ClassVar[frozenset[int]] = frozenset({2009})


class DiffersFromRecordingError(ReplayMismatchError):
    """A request is not the one that was recorded."""

    codes: ClassVar[frozenset[int]] = frozenset({2050})


class OutOfOrderError(ReplayMismatchError):
    """The program asks for something else than the next recorded entry."""

    codes: ClassVar[frozenset[int]] = frozenset({2010, 2011, 2057})


class RecordingEndedError(ReplayMismatchError):
    """The program waits, and nothing more will happen in the recording."""

    codes: ClassVar[frozenset[int]] = frozenset({2070})


class UnusedRecordingError(ReplayMismatchError):
    """The program ended before it did all that was recorded."""

    codes: ClassVar[frozenset[int]] = frozenset({2051})


class ContractError(X07Error):
    """A contract file under ``arch/`` that a program needs and cannot use."""


class BudgetError(X07Error):
    """A budget scope that was exceeded."""


class DriverError(X07Error):
    """A broker operation that failed."""


class UnreachableError(DriverError):
    """No broker answers within the time that a start or an outage may take."""

    retryable = True
    codes: ClassVar[frozenset[int]] = frozenset({9652, 9760, 9767, 9851})


class LoginRefusedError(DriverError):
    """The broker refuses the user, the password or the certificate, or lets this user not do this."""

    codes: ClassVar[frozenset[int]] = frozenset({9758, 9768, 9853})


class TlsError(DriverError):
    """No TLS connection to the broker can be made."""

    codes: ClassVar[frozenset[int]] = frozenset({9862})


class NotFoundError(DriverError):
    """The broker has no topic, queue or exchange of that name."""

    codes: ClassVar[frozenset[int]] = frozenset({9753, 9766, 9854})


class MessageRejectedError(DriverError):
    """A message that does not fit the broker, its protocol or the profile, however often it is sent."""

    codes: ClassVar[frozenset[int]] = frozenset({9632, 9711, 9763, 9811, 9859})


class UnroutableError(DriverError):
    """No queue takes a message, because no binding leads to one."""

    codes: ClassVar[frozenset[int]] = frozenset({9855})


class PublishRefusedError(DriverError):
    """The broker did not store a message; Kafka says why, RabbitMQ confirms negatively."""

    retryable = True
    codes: ClassVar[frozenset[int]] = frozenset({9751, 9856})


class SchemaRefusedError(DriverError):
    """A schema registry does not take a schema: it does not fit the older ones of its subject, or is none."""

    codes: ClassVar[frozenset[int]] = frozenset({9769})


class ConfirmTimeoutError(DriverError):
    """Messages were not confirmed in time; they may be stored."""

    retryable = True
    codes: ClassVar[frozenset[int]] = frozenset({9752, 9852})


class NoAnswerError(DriverError):
    """No answer came to a request in time; it may have been handled all the same."""

    retryable = True
    codes: ClassVar[frozenset[int]] = frozenset({9865})


class ConsumerEndedError(DriverError):
    """The broker has ended a consumer and delivers nothing more to it."""

    codes: ClassVar[frozenset[int]] = frozenset({9755, 9857, 9863, 9864})


class ChannelClosedError(DriverError):
    """The broker closed the channel."""

    codes: ClassVar[frozenset[int]] = frozenset({9860})


class ProtocolError(DriverError):
    """A client or a broker sent something that x07py cannot read as its protocol; the connection has ended."""

    codes: ClassVar[frozenset[int]] = frozenset({9642, 9650, 9653})


class CommitFailedError(DriverError):
    """Offsets were not stored; the messages are delivered again."""

    codes: ClassVar[frozenset[int]] = frozenset({9756})


class GroupLostError(CommitFailedError):
    """The group went on without this consumer; another one gets its messages."""

    codes: ClassVar[frozenset[int]] = frozenset({9765})


class SeekError(DriverError):
    """A consumer cannot go to an offset."""

    codes: ClassVar[frozenset[int]] = frozenset({9761})


class LagUnknownError(DriverError):
    """The lag of a group is not known."""

    retryable = True
    codes: ClassVar[frozenset[int]] = frozenset({9757})


class TransactionError(DriverError):
    """A transaction was not committed, and nothing of it is visible."""

    codes: ClassVar[frozenset[int]] = frozenset({9762})


class FencedError(TransactionError):
    """Another instance writes under this transactional id; this one may write no more."""

    codes: ClassVar[frozenset[int]] = frozenset({9759})


class TopologyConflictError(DriverError):
    """An exchange or queue of that name is there with other properties."""

    codes: ClassVar[frozenset[int]] = frozenset({9858})


class DriverClosedError(DriverError):
    """An operation came after the driver was closed."""

    codes: ClassVar[frozenset[int]] = frozenset({9621})


class UnsupportedError(DriverError):
    """An operation that this broker, or its stand-in in a replay, does not have."""

    codes: ClassVar[frozenset[int]] = frozenset({9622, 9641, 9866})


class SecretMissingError(DriverError):
    """A secret that the profile names is not there or cannot be read."""

    codes: ClassVar[frozenset[int]] = frozenset({9631})


class NotInstalledError(DriverError):
    """A distribution or program that is needed is not installed."""

    codes: ClassVar[frozenset[int]] = frozenset({9625, 9629, 9635, 9651})


class DevelopmentBrokerError(DriverError):
    """A development broker did not start, answer or end."""

    codes: ClassVar[frozenset[int]] = frozenset({9626, 9628, 9630})


class PumpError(X07Error):
    """A pump cannot start or go on."""


class ArchError(X07Error):
    """The architecture check could not run."""


class PackageError(X07Error):
    """A package operation that failed."""


class RunError(X07Error):
    """A program that could not be run in the world that was asked for."""


def error_of(code: int, message: str, *, where: str | None = None, hint: str | None = None) -> X07Error:
    """Return the error of a numeric code of brokers or cassettes, as the class that the code belongs to.

    Args:
        code: 2000 to 2099, or a number of a driver.
        message: as of `X07Error`.
        where: as of `X07Error`.
        hint: as of `X07Error`.
    """
    base: type[X07Error] = CassetteError if code in _OF_CASSETTES else DriverError
    return next((kind for kind in _below(base) if code in kind.codes), base)(code, message, where=where, hint=hint)


_OF_CASSETTES = range(2000, 2100)


def _below(base: type[X07Error]) -> list[type[X07Error]]:
    return [kind for child in base.__subclasses__() for kind in (child, *_below(child))]
