"""What Kafka answers to a commit, and which failure that is for a program."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError as BrokerAnswer
from confluent_kafka import KafkaException, TopicPartition

from x07py.drivers.kafka_commits import Commits
from x07py.errors import CommitFailedError, GroupLostError


class Refusing:
    """A member's client whose commits the broker answers with one error."""

    def __init__(self, answer: int) -> None:
        self._answer = answer

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition("t", 0)]

    def commit(self, **_: object) -> None:
        raise KafkaException(BrokerAnswer(self._answer))


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (BrokerAnswer.UNKNOWN_MEMBER_ID, GroupLostError, 9765),
        (BrokerAnswer.ILLEGAL_GENERATION, GroupLostError, 9765),
        (BrokerAnswer.REBALANCE_IN_PROGRESS, GroupLostError, 9765),
        (BrokerAnswer.FENCED_INSTANCE_ID, GroupLostError, 9765),
        (BrokerAnswer.GROUP_AUTHORIZATION_FAILED, CommitFailedError, 9756),
        (BrokerAnswer.OFFSET_METADATA_TOO_LARGE, CommitFailedError, 9756),
    ],
)
def test_a_lost_group_is_told_from_another_refusal(answer: int, kind: type[CommitFailedError], code: int) -> None:
    commits = Commits("profile 'p', group 'g'")
    commits.consumer = Refusing(answer)  # type: ignore[assignment]
    commits.delivered({("t", 0): [0, 1]})
    commits.done({"t": {"0": [[0, 1]]}})
    with pytest.raises(CommitFailedError) as caught:
        commits.commit()
    assert (type(caught.value), caught.value.code, caught.value.where) == (kind, code, "profile 'p', group 'g'")
