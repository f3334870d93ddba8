"""A cassette at a port: what ``x07 rr serve`` and ``x07 rr record`` do until a signal ends them."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from x07py.errors import CassetteError, UnreachableError, UsageError, X07Error
from x07py.printing import counted
from x07py.rr import Mode
from x07py.wire.door import Door
from x07py.wire.listener import Listener, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from x07py.testing.cassette import use_cassette
    from x07py.wire.stand_in import Address, Connection

_LAST_WORDS_S = 1.0
"""How long a client may still be told why, once the cassette has failed."""


def listen(
    cassette: use_cassette,
    at: Address,
    upstream: Address | None,
    tell: Callable[[str], None],
    *,
    connecting: Callable[[Address], Connection] = connect,
) -> None:
    """Serve a cassette at an address, or record it in front of a broker, until SIGINT or SIGTERM.

    Args:
        cassette: name, mode and rules; the mode says whether to record.
        at: where to listen.
        upstream: the broker to record.
        tell: takes one line for people.
        connecting: connects to a broker of the recorded cluster.

    Raises:
        CassetteError: the cassette cannot be opened, does not fit what clients did, or nothing was recorded.
        UnreachableError: 9652 if the broker cannot be reached.
        UsageError: ``X07_ADDRESS`` if the address cannot be listened at.
    """
    if upstream is not None:
        _try(upstream, connecting)
    session = cassette.session = cassette.open_session()
    failure: X07Error | None = None
    try:
        failure = _serve_until_ended(cassette, at, upstream, tell, connecting)
        if failure is None and upstream is not None and not session.appended:
            failure = _nothing(cassette)
    except X07Error as error:
        failure = error
    finally:
        session.__exit__(type(failure) if failure else None, failure, None)
    if failure is not None:
        raise failure
    if upstream is not None:
        tell(f"recorded {counted(session.appended, 'entry', 'entries')}")
        return
    tell(f"{session.ledger.used} of {counted(len(session.ledger), 'entry', 'entries')} were used")
    if session.mode is Mode.REPLAY and not cassette.allow_unused:
        cassette.refuse_unused()


def _serve_until_ended(
    cassette: use_cassette,
    at: Address,
    upstream: Address | None,
    tell: Callable[[str], None],
    connecting: Callable[[Address], Connection],
) -> X07Error | None:
    """Return what the cassette failed with, if it did."""
    ended = threading.Event()
    door = Door(cassette.session, cassette.rules, ())
    door.on_failure.append(lambda _: threading.Timer(_LAST_WORDS_S, ended.set).start())
    door.prepare()
    if door.broken is not None:
        return door.broken
    try:
        listener = Listener(door, at, upstream, connecting=connecting)
    except OSError as error:
        raise UsageError(
            "X07_ADDRESS", f"cannot listen at {at}: {error.strerror or error}", hint="choose another --listen"
        ) from None
    with _signals(ended):
        tell(f"listening at {listener.address}" + (f", recording {upstream}" if upstream else ""))
        ended.wait()
    listener.close()
    door.close()
    return door.broken


@contextmanager
def _signals(ended: threading.Event) -> Iterator[None]:
    """Let SIGINT and SIGTERM set `ended` while the block runs."""

    def end(_: int, __: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _try(upstream: Address, connecting: Callable[[Address], Connection]) -> None:
    try:
        connecting(upstream).close()
    except OSError as error:
        raise UnreachableError(
            9652,
            f"the broker at {upstream} cannot be reached: {error.strerror or error}",
            hint="start it, or correct --upstream; for tls://, SSL_CERT_FILE names the authority",
        ) from None


def _nothing(cassette: use_cassette) -> CassetteError:
    return CassetteError(
        2073,
        "nothing was recorded",
        where=cassette.name,
        hint="let the program connect to the address that was told, and keep --upstream to this command",
    )
