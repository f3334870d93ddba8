"""What to do about an error of Kafka, by the name that the protocol has for it."""

from __future__ import annotations

from typing import Any

ADVICE = {
    "TOPIC_AUTHORIZATION_FAILED": "this user needs the ACLs Describe and Write (to consume, Read) on the topic",
    "GROUP_AUTHORIZATION_FAILED": "this user needs the ACL Read on the group",
    "CLUSTER_AUTHORIZATION_FAILED": "an idempotent producer needs the ACL Write on a topic, or IdempotentWrite on the "
    "cluster",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": "this user needs the ACLs Describe and Write on the transactional id",
    "INCONSISTENT_GROUP_PROTOCOL": "another program is in this group with another partition.assignment.strategy, or is "
    "no consumer: take a group of its own, or the same strategy in client_settings",
    "MSG_SIZE_TOO_LARGE": "make the message smaller, or raise max.message.bytes of the topic on the broker",
    "UNKNOWN_TOPIC_OR_PART": "create the topic, or correct its name",
    "_UNKNOWN_TOPIC": "create the topic, or correct its name",
    "_UNKNOWN_PARTITION": "correct the header x07-partition, or give the topic more partitions",
    "TOPIC_EXCEPTION": "correct the name of the topic: 249 of A-Z a-z 0-9 . _ - at most",
    "NOT_ENOUGH_REPLICAS": "fewer replicas are in sync than min.insync.replicas of the topic asks for",
}


def advice(error: Any, code: int) -> str:
    """Return what to do about an error of the client.

    Args:
        error: a ``KafkaError``.
        code: what it is called here.
    """
    return ADVICE.get(error.name(), f"x07 explain {code} tells what to do")
