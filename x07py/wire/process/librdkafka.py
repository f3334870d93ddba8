"""Clients of librdkafka, which has sockets of its own: each is led to a port of this process by its settings.

Every client gets a port for itself, so that whoever connects there is known: two groups of one program that read the
same topic are told apart by it. To the broker the stand-in connects with the security settings of the client, whose own
way to the port is in clear.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from x07py.wire.kafka.login import Login
from x07py.wire.listener import Listener, connect
from x07py.wire.process.caller import caller
from x07py.wire.process.led import BROKERS, led_to
from x07py.wire.process.loopback import bring_up_loopback
from x07py.wire.protocols import KAFKA
from x07py.wire.stand_in import Address, parse_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from x07py.wire.door import Door
    from x07py.wire.stand_in import Connection

_LOOPBACK = Address("127.0.0.1", 0)
_KAFKA_PORT = 9092


class Librdkafka:
    """The clients of one cassette.

    Args:
        door: the cassette's door.

    Attributes:
        last_activity: when the last client was made, as `time.monotonic` counts; None if none was.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._listeners: list[Listener] = []
        self.last_activity: float | None = None

    def touch(self) -> None:
        """Take note that a client is made."""
        self.last_activity = time.monotonic()

    def routed(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return a client's settings with a port of this process in place of its brokers.

        Args:
            settings: what the program gave.

        Raises:
            UsageError: ``X07_ADDRESS`` for a broker that is no address.
            UnsupportedError: 9641 for a way to log in that only librdkafka itself knows.
        """
        named = ",".join(str(settings[name]) for name in BROKERS if settings.get(name))
        if not named:
            return dict(settings)
        brokers = [_broker(text) for text in named.split(",") if text.strip()]
        login = Login(settings)
        upstream = brokers[0] if self._door.records else None
        connecting = partial(_connect, brokers, login)
        bring_up_loopback()
        self._door.prepare(KAFKA)
        listener = Listener(self._door, _LOOPBACK, upstream, caller=str(caller()), connecting=connecting)
        self._listeners.append(listener)
        return led_to(settings, str(listener.address))

    def close(self) -> None:
        """Take no more connections, and end those that are open."""
        for listener in self._listeners:
            listener.close()


def _broker(text: str) -> Address:
    place = text.strip().rpartition("//")[2]
    has_port = place.rpartition(":")[2].isdigit() and not place.endswith("]")
    return parse_address(place if has_port else f"{place}:{_KAFKA_PORT}")


def _connect(brokers: list[Address], login: Login, address: Address) -> Connection:
    """Connect to a broker and log in; to any of the first ones where the client would take any."""
    failure: OSError | None = None
    for one in brokers if address == brokers[0] else [address]:
        try:
            return login.on(connect(one), one)
        except OSError as error:
            failure = error
    raise failure or ConnectionRefusedError(str(address))
