"""The stand-in for Kafka, as ways in know it; what it needs is loaded when the first client speaks Kafka."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from x07py.errors import NotInstalledError

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.wire.stand_in import Address, CassetteSession, Connection
    from x07py.wire.tape import Tape


class KafkaStandIn:
    """Kafka's protocol from the broker's side; see `x07py.wire.stand_in.StandIn`."""

    name = "Kafka"

    def answer(self, connection: Connection, session: CassetteSession) -> Callable[[bytes], None] | None:
        """Return None: clients of Kafka have threads and timers of their own."""
        del connection, session
        return None

    def prepare(self) -> type[Tape]:
        """Load what serving takes, and return the kind of its tape."""
        try:
            _load_types_of_messages()
            from x07py.wire.kafka import connection, recorder, replay
            from x07py.wire.kafka.tape import WireTape
        except ImportError as error:
            raise NotInstalledError(
                9651,
                "a client speaks Kafka, and what it takes to record or replay that is not installed",
                where=f"{error.name} is missing",
                hint="pip install 'x07py[wire]'",
            ) from None
        del connection, recorder, replay
        return WireTape

    def serve(self, connection: Connection, address: Address, session: CassetteSession) -> None:
        """Serve one connection until it ends."""
        self.prepare()
        from x07py.wire.kafka.connection import serve

        serve(connection, address, session)


def _load_types_of_messages() -> None:
    """Load kio's types without Hypothesis: kio imports it where it is installed, which takes longer than all the rest.

    Raises:
        ImportError: kio is not installed.
    """
    if "hypothesis" in sys.modules:
        return
    sys.modules["hypothesis"] = None  # type: ignore[assignment]  # as Python notes what may not be imported
    try:
        import kio.static._phantom  # noqa: F401
    finally:
        del sys.modules["hypothesis"]
