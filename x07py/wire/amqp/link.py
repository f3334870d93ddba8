"""The two ends of one AMQP connection: the program, and the broker if there is one."""

from __future__ import annotations

import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from x07py.wire.amqp.frames import marshal
from x07py.wire.outgoing import Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.wire.amqp.frames import Piece
    from x07py.wire.amqp.session import AmqpSession
    from x07py.wire.stand_in import Connection

_FRAME_MAX = 131_072
_TURN_MS = 5


class Link:
    """Where frames are sent to; whoever sends holds the session's lock, and flushes the session afterwards.

    Args:
        session: the cassette.
        client: the program's end.
        broker: the broker's end, None in a replay.

    Attributes:
        frame_max: the most bytes that a frame to the program may have.
    """

    def __init__(self, session: AmqpSession, client: Connection, broker: Connection | None) -> None:
        self.session = session
        self.live: bool = broker is not None
        self.outgoing: Outgoing = Outgoing(client, session.drained)
        self._upstream = Outgoing(broker, lambda: None) if broker is not None else None
        self._held: deque[tuple[Callable[[], None], float, int]] = deque()
        self.frame_max = _FRAME_MAX

    def to_client(self, channel: int, *frames: Any, ticks: int = 0) -> None:
        """Send frames to the program, after a wait of `ticks` milliseconds if it matters; in the order of the calls."""
        self.pass_on(*marshal(channel, *frames), ticks=ticks)

    def pass_on(self, *data: Piece, ticks: int = 0) -> None:
        """Send bytes to the program, as `to_client`."""
        self._say(partial(self._put, *data), ticks)

    def end(self) -> None:
        """Let the program see the end of the connection, after what was sent to it."""
        self._say(self.outgoing.end, 0)

    def say_goodbye(self, *frames: Any) -> None:
        """Send last frames and end the connection once the program waits for that, as if a network lay between.

        aiormq drops the reason that a program closes with if the answer is there before it waits for it.
        """
        act = partial(self._end_with, *marshal(0, *frames))
        if self.session.pacer.holds:
            self._hold(act, _TURN_MS)
        else:
            act()

    def _end_with(self, *data: Piece) -> None:
        self._put(*data)
        self.outgoing.end()

    def _put(self, *data: Piece) -> None:
        self.outgoing.put(*data)
        self.session.will_send(self.outgoing)

    def _say(self, act: Callable[[], None], ticks: int) -> None:
        if not self._held and not self.session.pacer.matters(ticks):
            act()
            return
        self._hold(act, ticks)

    def _hold(self, act: Callable[[], None], ticks: int) -> None:
        self._held.append((act, time.monotonic(), ticks))
        if len(self._held) == 1:
            self._hold_first()

    def _hold_first(self) -> None:
        _, since, ticks = self._held[0]
        self.session.pacer.hold(since, ticks, self._release)

    def _release(self) -> None:
        with self.session.lock:
            act, _, _ = self._held.popleft()
            act()
            if self._held:
                self._hold_first()
        self.session.flush()

    @property
    def is_full(self) -> bool:
        """Whether the program should read before more is sent to it."""
        return self.outgoing.is_full

    @property
    def is_full_upstream(self) -> bool:
        """Whether the broker should read before the program sends more."""
        return self._upstream is not None and self._upstream.is_full

    def to_broker(self, *data: Piece) -> None:
        """Send bytes to the broker, if there is one."""
        if self._upstream is not None:
            self._upstream.put(*data)
            self.session.will_send(self._upstream)
