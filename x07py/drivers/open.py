"""`open_driver`: the driver that fits the world and the session; one program serves record and replay unchanged."""

from __future__ import annotations

import os
import re
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from x07py.contracts.budgets import read_budget
from x07py.contracts.loader import find_root
from x07py.contracts.messaging import AmqpProfile, KafkaProfile, read_amqp_profile, read_kafka_profile, read_topics
from x07py.drivers.base import DIALECTS, Backend
from x07py.drivers.driver import Driver
from x07py.drivers.tracing import traced
from x07py.errors import DriverError
from x07py.rr import Mode, current_session, open_session_from_environment
from x07py.worlds import ENV_CASSETTE, current_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from x07py.counting import Budget
    from x07py.rr import Session


_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:\[\],]+):(?P<port>[0-9]{1,5})")


@asynccontextmanager
async def open_driver(kind: str, *, profile: str, listed_only: bool = False) -> AsyncIterator[Driver]:
    """Connect to a broker, or to a recording of it.

    In a world with a network this is the live driver, recording if the current session records. Where the session
    replays, and in every ``solve-*`` world, it is the replaying driver. Without a session, one is opened for the time
    of the driver if the environment names a cassette (``x07 run --rr MODE --cassette NAME``); a program that opens
    drivers one after the other opens one session around all of them.

    A live driver connects to the address in the profile, or to the one in ``X07_KAFKA_<PROFILE>`` or
    ``X07_AMQP_<PROFILE>`` (the profile's id in upper case, other characters than letters and digits as ``_``):
    ``host:port``, several on Kafka separated by commas. That is for brokers without a fixed address, such as the
    embedded one.

    Args:
        kind: ``kafka`` or ``amqp``.
        profile: id of a profile in ``arch/msg/kafka`` or ``arch/msg/amqp`` of the project.
        listed_only: refuse to publish to topics (AMQP: routing keys) that ``arch/msg/index.x07msg.json`` does not list,
            and larger values than it allows. Not the default: dead letters, answers and bound routing keys are often
            named by others than the project.

    Raises:
        DriverError: 9610 if the world has no network and no session replays; 9624 for another kind; 9625 if the
            distribution that the driver needs is not installed; 9627 for a malformed address in the environment; 9634
            for a second driver on the environment's cassette, after the first was closed.
        ContractError: 9701 to 9705, 9750, 9801 to 9805, 9850, ``X07_BUDGET_PROFILE`` for the file at fault; 9501 for
            the list of topics.
    """
    if kind not in DIALECTS:
        raise DriverError(9624, f"no driver is called {kind!r}", hint="drivers: kafka, amqp")
    settings = read_kafka_profile(find_root(), profile) if kind == "kafka" else read_amqp_profile(find_root(), profile)
    listed = {name: topic.max_value_bytes for name, topic in read_topics(find_root()).items()} if listed_only else None
    with _session() as session:
        limits = _limits(settings)
        driver = Driver(_backend(kind, settings, session), **limits, budget=_budget(settings), listed=listed)
        async with driver:
            yield driver


def _session() -> AbstractContextManager[Session | None]:
    """Return the current session, or one from the environment for as long as the driver is open."""
    current = current_session()
    name = os.environ.get(ENV_CASSETTE)
    if current is not None or not name:
        return nullcontext(current)
    opened = open_session_from_environment(None, None, None)
    if opened.path in _finished:
        raise DriverError(
            9634,
            "the cassette of this process was finished when its first driver was closed",
            where=name,
            hint="open one session around all drivers: with x07py.rr.session(): ...",
        )
    _finished.add(opened.path)
    return opened


_finished: set[Path] = set()
"""Cassettes for which this process has opened a session from the environment."""


def _backend(kind: str, settings: KafkaProfile | AmqpProfile, session: Session | None) -> Backend:
    if session is not None and session.mode is Mode.REPLAY:
        from x07py.drivers.replay import ReplayBackend

        return ReplayBackend(DIALECTS[kind], settings.id, session)
    world = current_world()
    if world.solve:
        raise DriverError(
            9610,
            f"world {world.name} has no network, and no session replays",
            where=f"profile {settings.id!r}",
            hint="open a session in mode replay, or run with --profile replay --cassette NAME",
        )
    live = traced(_live(kind, settings))
    if session is None or not session.mode.records:
        return live
    from x07py.drivers.recording import RecordingBackend

    return RecordingBackend(live, session)


def broker_variable(kind: str, profile: str) -> str:
    """Return the name of the environment variable that overrides the address in `profile`."""
    return f"X07_{kind.upper()}_" + re.sub(r"[^A-Z0-9]", "_", profile.upper())


_Profile = TypeVar("_Profile", KafkaProfile, AmqpProfile)


def addressed(settings: _Profile) -> _Profile:
    """Return the profile with the address that the environment names, if it names one.

    Raises:
        DriverError: 9627 for a malformed address.
    """
    kafka = isinstance(settings, KafkaProfile)
    name = broker_variable("kafka" if kafka else "amqp", settings.id)
    value = os.environ.get(name)
    if value is None:
        return settings
    addresses = value.split(",")
    found = [_ADDRESS.fullmatch(address) for address in addresses]
    ports = [int(one["port"]) for one in found if one]
    if len(ports) != len(addresses) or not all(0 < port < 65536 for port in ports) or (len(ports) > 1 and not kafka):
        raise DriverError(
            9627, f"{value!r} is not a broker address", where=f"environment variable {name}", hint="write host:port"
        )
    if isinstance(settings, KafkaProfile):
        return replace(settings, bootstrap=tuple(addresses))
    host, _, port = value.rpartition(":")
    return replace(settings, host=host.strip("[]"), port=int(port))


def _live(kind: str, settings: KafkaProfile | AmqpProfile) -> Backend:
    try:
        if isinstance(settings, KafkaProfile):
            import confluent_kafka  # noqa: F401

            from x07py.drivers.kafka import KafkaBackend

            return KafkaBackend(addressed(settings))
        from x07py.drivers.amqp import AmqpBackend

        return AmqpBackend(addressed(settings))
    except ImportError as error:
        raise DriverError(
            9625,
            f"the {kind} driver needs the distribution {error.name!r}",
            hint=f"pip install 'x07py[{kind}]'",
        ) from None


def _budget(settings: KafkaProfile | AmqpProfile) -> Budget | None:
    profile = settings.budget_profile_id
    return read_budget(find_root(), profile, current_world().name) if profile else None


def _limits(settings: KafkaProfile | AmqpProfile) -> dict[str, int]:
    most = settings.max_message_bytes if isinstance(settings, KafkaProfile) else settings.max_body_bytes
    return {"max_message_bytes": most, "max_items": settings.max_poll_items}
