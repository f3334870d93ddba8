"""x07py: pure services on Kafka and RabbitMQ.

The names below are the public ones. Each is imported when it is first used, so that a command line starts fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py._version import __version__

if TYPE_CHECKING:
    from x07py.budgets import budget
    from x07py.drivers import Delivery, Driver, open_driver
    from x07py.errors import (
        ArchError,
        BudgetError,
        CassetteError,
        ChannelClosedError,
        CodecError,
        CommitFailedError,
        ConfirmTimeoutError,
        ConsumerEndedError,
        ContractError,
        DataModelError,
        DevelopmentBrokerError,
        DiffersFromRecordingError,
        DriverClosedError,
        DriverError,
        EnvelopeError,
        FencedError,
        FileError,
        GroupLostError,
        LagUnknownError,
        LoginRefusedError,
        MessageRejectedError,
        NoAnswerError,
        NotFoundError,
        NothingRecordedError,
        NotInstalledError,
        OutOfOrderError,
        PackageError,
        ProtocolError,
        PublishRefusedError,
        PumpError,
        RecordError,
        RecordingEndedError,
        ReplayMismatchError,
        RunError,
        SchemaError,
        SchemaRefusedError,
        SchemaUnknownError,
        SecretMissingError,
        SeekError,
        TlsError,
        TopologyConflictError,
        TransactionError,
        UnreachableError,
        UnroutableError,
        UnsupportedError,
        UnusedRecordingError,
        UsageError,
        X07Error,
    )
    from x07py.msg import Envelope, answer_to, typed
    from x07py.pumping import PumpOptions, PumpReport, pump
    from x07py.testing.cassette import use_cassette

__all__ = [
    "ArchError",
    "BudgetError",
    "CassetteError",
    "ChannelClosedError",
    "CodecError",
    "CommitFailedError",
    "ConfirmTimeoutError",
    "ConsumerEndedError",
    "ContractError",
    "DataModelError",
    "Delivery",
    "DevelopmentBrokerError",
    "DiffersFromRecordingError",
    "Driver",
    "DriverClosedError",
    "DriverError",
    "Envelope",
    "EnvelopeError",
    "FencedError",
    "FileError",
    "GroupLostError",
    "LagUnknownError",
    "LoginRefusedError",
    "MessageRejectedError",
    "NoAnswerError",
    "NotFoundError",
    "NotInstalledError",
    "NothingRecordedError",
    "OutOfOrderError",
    "PackageError",
    "ProtocolError",
    "PublishRefusedError",
    "PumpError",
    "PumpOptions",
    "PumpReport",
    "RecordError",
    "RecordingEndedError",
    "ReplayMismatchError",
    "RunError",
    "SchemaError",
    "SchemaRefusedError",
    "SchemaUnknownError",
    "SecretMissingError",
    "SeekError",
    "TlsError",
    "TopologyConflictError",
    "TransactionError",
    "UnreachableError",
    "UnroutableError",
    "UnsupportedError",
    "UnusedRecordingError",
    "UsageError",
    "X07Error",
    "__version__",
    "answer_to",
    "budget",
    "open_driver",
    "pump",
    "typed",
    "use_cassette",
]

_ROOMS = {
    "Delivery": "x07py.drivers",
    "Driver": "x07py.drivers",
    "Envelope": "x07py.msg",
    "PumpOptions": "x07py.pumping",
    "PumpReport": "x07py.pumping",
    "answer_to": "x07py.msg",
    "budget": "x07py.budgets",
    "open_driver": "x07py.drivers",
    "pump": "x07py.pumping",
    "typed": "x07py.msg",
    "use_cassette": "x07py.testing.cassette",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'x07py' has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(_ROOMS.get(name, "x07py.errors")), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
