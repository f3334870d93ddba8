"""Ways to connect: tokens, client certificates, hosts to fall back on, settings that are passed to the client."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.drivers.test_conformance import take
from tests.drivers.test_security import PROFILES, fails, goes_through, put_authorities, secure
from tests.support.listeners import Listeners
from tests.support.live import rabbitmqctl
from tests.support.token_server import CLIENT, SECRET, token, token_server
from x07py import Envelope, open_driver
from x07py.brokers.native import free_port
from x07py.brokers.process import RunningBroker
from x07py.drivers.kafka_settings import REFUSED
from x07py.errors import ContractError, LoginRefusedError, TlsError

live = pytest.mark.live
SECRETS = {"username_secret_id": "its_user", "password_secret_id": "its_password"}


@pytest.fixture
def tokens() -> Iterator[str]:
    with token_server() as url:
        yield url


@pytest.fixture
def oauth(
    project: Path, live_kafka: RunningBroker, kafka_listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> Path:
    monkeypatch.setenv("X07_KAFKA_LOCAL_DEV_V1", kafka_listeners.address("OAUTH"))
    monkeypatch.setenv("X07_SECRET_ITS_USER", CLIENT)
    monkeypatch.setenv("X07_SECRET_ITS_PASSWORD", SECRET)
    return project


@live
async def test_kafka_takes_a_token_of_client_credentials(oauth: Path, tokens: str) -> None:
    secure(oauth, "kafka", sasl_mode="oauthbearer_v1", token_url=tokens, **SECRETS)
    assert await goes_through("kafka")


@live
async def test_a_token_server_that_refuses_the_client(
    oauth: Path, tokens: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure(oauth, "kafka", sasl_mode="oauthbearer_v1", token_url=tokens, **SECRETS)
    monkeypatch.setenv("X07_SECRET_ITS_PASSWORD", "wrong-0815")
    error = await fails("kafka")
    assert isinstance(error, LoginRefusedError)
    assert error.code == 9758
    assert tokens in str(error.hint)
    assert "wrong-0815" not in str(error)


@live
async def test_kafka_takes_the_tokens_of_the_program(oauth: Path) -> None:
    secure(oauth, "kafka", sasl_mode="oauthbearer_v1")
    asked = 0

    def ask() -> tuple[str, float]:
        nonlocal asked
        asked += 1
        return token(), time.time() + 300

    place = f"o-{uuid.uuid4().hex[:8]}"
    async with open_driver("kafka", profile="local_dev_v1", token=ask) as driver:
        await driver.publish(Envelope(place, b"k", b"1"))
        assert [one.envelope.value for one in await take(driver, place, 1)] == [b"1"]
        assert sum((await driver.lag([place], group=place)).values()) == 0
    assert asked
    with pytest.raises(LoginRefusedError) as caught:
        async with open_driver(
            "kafka", profile="local_dev_v1", token=lambda: ("no token", time.time() + 300)
        ) as driver:
            await driver.publish(Envelope(place, b"k", b"1"))
    assert caught.value.code == 9758
    assert "the token" in str(caught.value.hint)


async def test_tokens_need_a_source(project: Path) -> None:
    secure(project, "kafka", sasl_mode="oauthbearer_v1")
    error = await fails("kafka")
    assert (error.code, "source of tokens" in error.message) == (9750, True)


def show_certificate(project: Path, kind: str, listeners: Listeners, authority: str = "", **more: Any) -> None:
    """Give the profile a certificate for alice, signed by the broker's authority or by another one."""
    from tests.support.certificates import Authority

    put_authorities(project, listeners)
    signer = Authority(project / authority, "strangers") if authority else listeners.authority
    key, certificate = signer.server("alice")
    (project / "alice.key").write_bytes(key.read_bytes())
    (project / "alice.pem").write_bytes(certificate.read_bytes())
    paths = {"certificate_path": "alice.pem", "key_path": "alice.key"}
    secure(project, kind, tls=True, ca_path="ca.pem", **paths, **more)


@live
async def test_kafka_takes_a_client_certificate_and_refuses_another(
    project: Path, live_kafka: RunningBroker, kafka_listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("X07_KAFKA_LOCAL_DEV_V1", kafka_listeners.address("MTLS"))
    show_certificate(project, "kafka", kafka_listeners)
    assert await goes_through("kafka")
    show_certificate(project, "kafka", kafka_listeners, authority="strangers")
    assert (await fails("kafka")).code == 9758
    secure(project, "kafka", tls=True, ca_path="ca.pem")
    assert (await fails("kafka")).code == 9758


@pytest.fixture
def external(live_amqp: RunningBroker, amqp_root: Path) -> Iterator[None]:
    """RabbitMQ with its mechanism EXTERNAL, and the user alice, who has no password."""
    plugin = "rabbitmq_auth_mechanism_ssl"
    rabbitmqctl(amqp_root, "enable", plugin, tool="rabbitmq-plugins")
    rabbitmqctl(amqp_root, "add_user", "alice", "")
    rabbitmqctl(amqp_root, "clear_password", "alice")
    rabbitmqctl(amqp_root, "set_permissions", "alice", ".*", ".*", ".*")
    yield
    rabbitmqctl(amqp_root, "delete_user", "alice")
    rabbitmqctl(amqp_root, "disable", plugin, tool="rabbitmq-plugins")


@live
async def test_rabbitmq_takes_the_user_of_a_certificate(
    project: Path, external: None, amqp_listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("X07_AMQP_LOCAL_DEV_V1", amqp_listeners.address("SSL"))
    show_certificate(project, "amqp", amqp_listeners, mechanism="external_v1")
    assert await goes_through("amqp")
    show_certificate(project, "amqp", amqp_listeners, authority="strangers", mechanism="external_v1")
    assert isinstance(await fails("amqp"), TlsError | LoginRefusedError)
    secure(project, "amqp", tls=True, ca_path="ca.pem", mechanism="external_v1")
    error = await fails("amqp")
    assert (error.code, "EXTERNAL" in str(error.hint)) == (9853, True)


@pytest.mark.parametrize("kind", ["kafka", "amqp"])
async def test_a_client_certificate_that_cannot_be_used(project: Path, kind: str) -> None:
    code = {"kafka": 9750, "amqp": 9850}[kind]
    faults: list[dict[str, Any]] = [
        {"tls": True, "certificate_path": "no.pem", "key_path": "no.key"},
        {"tls": True, "certificate_path": "no.pem"},
        {"tls": False, "certificate_path": "no.pem", "key_path": "no.key"},
    ]
    for settings in faults:
        secure(project, kind, **settings)
        error = await fails(kind)
        assert isinstance(error, ContractError)
        assert error.code == code


@live
async def test_another_host_of_rabbitmq_takes_over(
    on_amqp: Path, live_amqp: RunningBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("X07_AMQP_LOCAL_DEV_V1", f"127.0.0.1:{free_port()},{live_amqp.address}")
    assert await goes_through("amqp")


def pass_through(project: Path, **settings: Any) -> None:
    file = project / PROFILES["kafka"][0]
    document = json.loads(file.read_text())
    document["client_settings"] = settings
    file.write_text(json.dumps(document))


@live
@pytest.mark.parametrize(
    "settings",
    [
        {"compression.type": "zstd", "linger.ms": 20, "acks": "all", "client.rack": "a", "fetch.min.bytes": 1},
        {"partition.assignment.strategy": "cooperative-sticky", "session.timeout.ms": 6000},
        {"group.protocol": "consumer"},
    ],
    ids=["usual", "cooperative", "KIP-848"],
)
async def test_settings_are_passed_to_the_client(on_kafka: Path, settings: dict[str, Any]) -> None:
    pass_through(on_kafka, **settings)
    assert await goes_through("kafka")


@live
async def test_a_static_member_comes_back_to_its_partitions(on_kafka: Path) -> None:
    place = f"m-{uuid.uuid4().hex[:8]}"
    for number in range(2):
        member = {"group.instance.id": "worker-1"}
        async with open_driver("kafka", profile="local_dev_v1", client_settings=member) as driver:
            await driver.publish(Envelope(place, b"k", b"%d" % number))
            assert [one.envelope.value for one in await take(driver, place, 1)] == [b"%d" % number]


async def test_settings_that_would_break_a_promise_are_refused_by_name(project: Path) -> None:
    refused = [*REFUSED, "sasl.password", "ssl.key.pem", "security.protocol", "enable.ssl.certificate.verification"]
    for name, value in [*((one, "x") for one in refused), ("acks", 1), ("client.rack", ["a"])]:
        pass_through(project, **{name: value})
        error = await fails("kafka")
        assert (error.code, name in error.message) == (9750, True)
    pass_through(project, **{"no.such.setting": 1})
    assert "no.such.setting" in (await fails("kafka")).message
