"""The tape behind stand-ins for Kafka: one cassette, and the broker that is made of it or what writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.wire.kafka.holdings import Holdings

if TYPE_CHECKING:
    from x07py.rr import Session
    from x07py.wire.kafka.recorder import Recorder
    from x07py.wire.kafka.replay import Replay
    from x07py.wire.matching import Rules


class WireTape(Holdings):
    """One open cassette behind stand-in brokers; arguments and errors as of `Entries`."""

    def __init__(self, session: Session, rules: Rules) -> None:
        super().__init__(session, rules)
        self._replay: Replay | None = None
        self._recorder: Recorder | None = None

    @property
    def replay(self) -> Replay:
        """The broker that is made of the cassette."""
        from x07py.wire.kafka.replay import Replay

        with self.lock:
            self._replay = self._replay or Replay(self)
            return self._replay

    @property
    def recorder(self) -> Recorder:
        """What writes the cassette."""
        from x07py.wire.kafka.recorder import Recorder

        with self.lock:
            self._recorder = self._recorder or Recorder(self)
            return self._recorder
