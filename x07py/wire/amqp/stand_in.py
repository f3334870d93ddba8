"""RabbitMQ's stand-in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.wire.amqp import serving
from x07py.wire.amqp.session import AmqpSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.wire.stand_in import Address, CassetteSession, Connection


class AmqpStandIn:
    """AMQP 0-9-1 from the broker's side."""

    name = "AMQP 0-9-1"

    def prepare(self) -> type[AmqpSession]:
        """Return the kind of its tape; all that serving takes is loaded with this module."""
        return AmqpSession

    def answer(self, connection: Connection, session: CassetteSession) -> Callable[[bytes], None]:
        """Serve a connection of a replay without a thread."""
        return serving.answer(connection, session)

    def serve(self, connection: Connection, address: Address, session: CassetteSession) -> None:  # noqa: ARG002
        """Serve one connection until the program ends it."""
        serving.serve(connection, session)
