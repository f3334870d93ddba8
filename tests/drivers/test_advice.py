"""What errors of the clients mean and what to do about them, where the clients themselves say nothing of use."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, Never

import pytest
from aiormq import exceptions as amqp
from confluent_kafka import KafkaError, KafkaException

from x07py import Envelope, open_driver
from x07py.drivers.amqp_link import Link
from x07py.drivers.kafka_advice import ADVICE, advice
from x07py.drivers.kafka_config import client
from x07py.drivers.kafka_tokens import TokenSource
from x07py.drivers.plugin import find_driver
from x07py.errors import ContractError, LoginRefusedError, UnreachableError


def test_advice_is_for_errors_that_the_client_has() -> None:
    numbers = [number for name in dir(KafkaError) if isinstance(number := getattr(KafkaError, name), int)]
    found: dict[str, Any] = {error.name(): error for error in map(KafkaError, numbers)}
    assert set(ADVICE) <= set(found)
    assert "ACL Read on the group" in advice(found["GROUP_AUTHORIZATION_FAILED"], 9755)
    assert advice(found["OFFSET_OUT_OF_RANGE"], 9755) == "x07 explain 9755 tells what to do"


def raising() -> Never:
    raise ConnectionError("the secret of the token server")


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (raising, "the function raised ConnectionError"),
        (lambda: ("t", time.time() - 60), "the token ended 60 s ago"),
        (lambda: None, "the function gave NoneType instead of a token"),
    ],
)
def test_a_function_that_gives_no_token_is_told_and_not_the_settings(token: Any, reason: str) -> None:
    """As the client does, which waits for ten seconds before it says so."""

    def make(settings: dict[str, Any]) -> Never:
        with pytest.raises((ConnectionError, ValueError)):
            settings["oauth_cb"]("")
        raise KafkaException(KafkaError(KafkaError._AUTHENTICATION, "OAuth token not set within 10 seconds timeout"))

    with pytest.raises(LoginRefusedError) as caught:
        client(make, {"oauth_cb": TokenSource(token)}, "profile 'a'")
    assert caught.value.code == 9758
    assert reason in caught.value.message
    assert "secret" not in str(caught.value)


def test_a_setting_that_is_wrong_is_told_beside_a_function_for_tokens() -> None:
    def make(settings: dict[str, Any]) -> Never:
        raise KafkaException(KafkaError(KafkaError._INVALID_ARG, 'No such configuration property: "foo"'))

    with pytest.raises(ContractError, match="foo"):
        client(make, {"oauth_cb": TokenSource(lambda: ("t", time.time() + 60))}, "profile 'a'")


@pytest.mark.parametrize(
    ("error", "code", "what"),
    [
        (amqp.ChannelPreconditionFailed("message size 3 is larger than configured max size 2"), 9811, "too large"),
        (amqp.ChannelPreconditionFailed("inequivalent arg 'durable'"), 9858, "with other properties"),
        (
            amqp.ChannelPreconditionFailed("cannot declare queue 'q': queue limit in vhost '/' (1) is reached"),
            9860,
            "q",
        ),
        (amqp.ChannelAccessRefused("queue 'q' in vhost '/' in exclusive use"), 9853, "nobody may share"),
        (amqp.ChannelAccessRefused("access to queue 'q' in vhost '/' refused for user 'a'"), 9853, "this user"),
    ],
)
def test_what_rabbitmq_closes_a_channel_for(project: Path, error: Exception, code: int, what: str) -> None:
    link = Link(find_driver("amqp").read_profile(project, "local_dev_v1"))
    found = link.refusal(error, Envelope("q"), "")
    assert found is not None
    assert (found.code, what in found.message, bool(found.hint)) == (code, True, True)


async def test_another_version_of_amqp(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"AMQP\3\1\0\0")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        monkeypatch.setenv("X07_AMQP_LOCAL_DEV_V1", f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
        monkeypatch.setenv("X07_SECRET_RABBIT_USERNAME", "guest")
        monkeypatch.setenv("X07_SECRET_RABBIT_PASSWORD", "guest")
        async with open_driver("amqp", profile="local_dev_v1") as driver:
            with pytest.raises(UnreachableError, match="does not speak AMQP 0-9-1"):
                await driver.publish(Envelope("q"))
