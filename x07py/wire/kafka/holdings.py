"""What a cassette holds of Kafka, by kind: answers to questions, publishes, and what consumers are fed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.errors import RecordingEndedError
from x07py.wire.kafka.choosing import Feeds
from x07py.wire.kafka.entries import Entries
from x07py.wire.kafka.publishes import Publishes
from x07py.wire.kafka.questions import Questions

if TYPE_CHECKING:
    from x07py.rr import Session
    from x07py.wire.kafka.feeds import Feed
    from x07py.wire.matching import Rules


class Holdings(Entries):
    """The entries of one open cassette, sorted by kind; arguments and errors as of `Entries`."""

    def __init__(self, session: Session, rules: Rules) -> None:
        super().__init__(session, rules)
        self.questions: Questions = Questions(self)
        self.publishes: Publishes = Publishes(self, self.numbers.get("publish_env_v1", []))
        self.feeds: Feeds = Feeds(self, self.numbers)

    def ended_feed(self, feed: Feed) -> RecordingEndedError:
        """Return error 2070: a consumer waits for what will not come."""
        first = self.first_closed()
        why = "the recording holds nothing more for this consumer"
        if not feed.is_over() and first == len(self.session.ledger):
            why = "what comes next is for a client that has asked for its partition, or joined its group anew"
        elif not feed.is_over():
            why = f"entry {first} was recorded before what comes next and has not been published again"
        return RecordingEndedError(
            2070,
            f"the program waits for messages of {feed.scope} and {why}",
            where=self.session.config.cassette,
            hint="end the loop as the recorded run did, raise patience_s, or record again",
        )
