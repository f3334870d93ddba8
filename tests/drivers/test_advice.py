"""What errors of Kafka's client tell to do, where the client itself says nothing of use."""

from __future__ import annotations

import time
from typing import Any, Never

import pytest
from confluent_kafka import KafkaError, KafkaException

from x07py.drivers.kafka_advice import ADVICE, advice
from x07py.drivers.kafka_config import client
from x07py.drivers.kafka_tokens import TokenSource
from x07py.errors import ContractError, LoginRefusedError


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
