"""The stand-in for schema registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.wire.http.conversation import Conversation
from x07py.wire.http.tape import RegistryTape

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.wire.stand_in import Address, CassetteSession, Connection


class RegistryStandIn:
    """A schema registry from its own side; see `x07py.wire.stand_in.StandIn`."""

    name = "Schema Registry"

    def prepare(self) -> type[RegistryTape]:
        """Return the kind of its tape; all that serving takes is loaded with this module."""
        return RegistryTape

    def answer(self, connection: Connection, session: CassetteSession) -> Callable[[bytes], None]:
        """Serve a connection of a replay without a thread."""
        return Conversation(connection, session).feed

    def serve(self, connection: Connection, address: Address, session: CassetteSession) -> None:  # noqa: ARG002
        """Serve one connection until it ends."""
        Conversation(connection, session).run()
