"""The stand-in for Kafka, as ways in know it; what it needs is loaded when the first client speaks Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.errors import NotInstalledError

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.wire.stand_in import Address, CassetteSession, Connection


class KafkaStandIn:
    """Kafka's protocol from the broker's side; see `x07py.wire.stand_in.StandIn`."""

    name = "Kafka"

    def answer(self, connection: Connection, session: CassetteSession) -> Callable[[bytes], None] | None:
        """Return None: clients of Kafka have threads and timers of their own."""
        del connection, session
        return None

    def serve(self, connection: Connection, address: Address, session: CassetteSession) -> None:
        """Serve one connection until it ends."""
        try:
            from x07py.wire.kafka.connection import serve
        except ImportError as error:
            session.fail(
                NotInstalledError(
                    9651,
                    f"a client speaks Kafka to {address}, and what it takes to record or replay that is not installed",
                    where=f"{error.name} is missing",
                    hint="pip install 'x07py[wire]'",
                )
            )
            return
        serve(connection, address, session)
