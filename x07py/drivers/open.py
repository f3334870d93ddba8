"""`open_driver`: the driver that fits the world and the session; one program serves record and replay unchanged."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from x07py.contracts.budgets import read_budget
from x07py.contracts.loader import find_root
from x07py.contracts.messaging import topic_limits
from x07py.contracts.packages import check_kind
from x07py.drivers.driver import Driver
from x07py.drivers.plugin import ClientOptions, DriverPlugin, find_driver
from x07py.drivers.tracing import traced
from x07py.errors import DriverError, NotInstalledError
from x07py.rr import Mode, current_session, open_session_from_environment
from x07py.worlds import ENV_CASSETTE, current_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from x07py.counting import Budget
    from x07py.drivers.base import Backend
    from x07py.drivers.plugin import Limits
    from x07py.rr import Session

P = TypeVar("P")


@asynccontextmanager
async def open_driver(
    kind: str,
    *,
    profile: str,
    listed_only: bool = False,
    client_settings: Mapping[str, str | float] | None = None,
    token: Callable[[], tuple[str, float]] | None = None,
) -> AsyncIterator[Driver]:
    """Connect to a broker, or to a recording of it.

    In a world with a network this is the live driver, recording if the current session records. Where the session
    replays, and in every ``solve-*`` world, it is the replaying driver; in an exploration it is a simulated one.
    Without a session, one is opened for the time of the driver if the environment names a cassette (``x07 run --rr MODE
    --cassette NAME``); a program that opens drivers one after the other opens one session around all of them.

    A live driver connects to the address in the profile, or to the one in ``X07_<KIND>_<PROFILE>``, for example
    ``X07_KAFKA_LOCAL`` (in upper case, other characters than letters and digits as ``_``): ``host:port``, several
    separated by commas. That is for brokers without a fixed address, such as the
    embedded one.

    Args:
        kind: ``kafka``, ``amqp``, or the kind of another driver that is installed.
        profile: id of a profile in ``arch/msg/<kind>`` of the project.
        listed_only: refuse to publish to topics (AMQP: routing keys) that ``arch/msg/index.x07msg.json`` does not list,
            by name or by a name with parameters, and larger values than it allows. Not the default: dead letters,
            answers and bound routing keys are often named by others than the project.
        client_settings: settings of librdkafka for this instance, on top of the profile's ``client_settings``: the
            name of a static member (``group.instance.id``), its rack (``client.rack``).
        token: returns a token, where the profile's ``sasl_mode`` is ``oauthbearer_v1``, and when it ends, in seconds
            since 1970. It is called in a thread of the client, and again before that time.

    Raises:
        DriverError: 9610 if the world has no network and no session replays; 9624 for another kind; 9625 if the
            distribution that the driver needs is not installed; 9627 for a malformed address in the environment; 9634
            for a second driver on the environment's cassette, after the first was closed.
        PackageError: ``X07PKG_KIND_UNDECLARED`` if the project has a lock, and no package of it provides the kind.
        ContractError: 9701 to 9705, 9750, 9801 to 9805, 9850, ``X07_BUDGET_PROFILE`` for the file at fault; 9501 for
            the list of topics.
    """
    simulated = simulation.get()
    if simulated is not None:
        async with simulated(kind, profile, listed_only) as driver:
            yield driver
        return
    terms = read_terms(kind, profile, listed_only=listed_only)
    with _session() as session:
        options = ClientOptions(dict(client_settings or {}), token)
        async with terms.driver(_backend(terms.plugin, profile, terms.settings, session, options)) as driver:
            yield driver


class Terms(NamedTuple):
    """What a project's contracts say of a driver."""

    plugin: DriverPlugin[Any]
    settings: Any
    limits: Limits
    budget: Budget | None
    listed: Mapping[str, int] | None

    def driver(self, backend: Backend) -> Driver:
        """Return the driver for a connection."""
        limits = self.limits
        return Driver(
            backend,
            max_message_bytes=limits.max_message_bytes,
            max_items=limits.max_items,
            budget=self.budget,
            listed=self.listed,
        )


def read_terms(kind: str, profile: str, *, listed_only: bool) -> Terms:
    """Read what `open_driver` needs of the project; raises its contract errors."""
    plugin, root = find_driver(kind), find_root()
    check_kind(root, kind)
    settings = plugin.read_profile(root, profile)
    listed = topic_limits(root) if listed_only else None
    limits = plugin.limits(settings)
    budget = limits.budget_profile_id
    read = read_budget(root, budget, current_world().name) if budget else None
    return Terms(plugin, settings, limits, read, listed)


simulation: ContextVar[Callable[[str, str, bool], Driver] | None] = ContextVar("x07_simulation", default=None)
"""Makes the drivers of a program that is explored, of kind, profile and `listed_only`; None outside of that."""


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


def _backend(
    plugin: DriverPlugin[P], profile: str, settings: P, session: Session | None, options: ClientOptions
) -> Backend:
    if session is not None and session.mode is Mode.REPLAY:
        from x07py.drivers.replay import ReplayBackend

        return ReplayBackend(plugin.dialect, profile, session)
    world = current_world()
    if world.solve:
        raise DriverError(
            9610,
            f"world {world.name} has no network, and no session replays",
            where=f"profile {profile!r}",
            hint="open a session in mode replay, or run with --profile replay --cassette NAME",
        )
    live = traced(_live(plugin, settings, options), plugin.addresses(settings))
    if session is None or not session.mode.records:
        return live
    from x07py.drivers.recording import RecordingBackend

    return RecordingBackend(live, session)


def _live(plugin: DriverPlugin[P], settings: P, options: ClientOptions) -> Backend:
    try:
        return plugin.connect(settings, options)
    except ImportError as error:
        message = f"the {plugin.dialect.name} driver needs the distribution {error.name!r}"
        raise NotInstalledError(9625, message, hint=plugin.install_hint) from None
