"""Users and TLS against real brokers: what is right connects, what is wrong has a number and says what to do."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_bad_input import refused
from tests.drivers.test_conformance import prepare, take
from tests.support.certificates import Authority
from tests.support.listeners import PASSWORD, USER, Listeners, add_scram_user
from tests.support.live import rabbitmqctl
from tests.support.project import x07
from x07py import Envelope, open_driver
from x07py.brokers.process import RunningBroker
from x07py.errors import ContractError, X07Error

pytestmark = pytest.mark.live
PROFILES = {
    "kafka": ("arch/msg/kafka/profiles/local_dev_v1.kafka.json", "security"),
    "amqp": ("arch/msg/amqp/profiles/local_dev_v1.amqp.json", "auth"),
}
SECRETS = {"username_secret_id": "its_user", "password_secret_id": "its_password"}
SCRAM = {"sasl_mode": "scram_v1", **SECRETS}
ABSENT = "/nowhere/ca.pem"


def secure(project: Path, kind: str, **settings: Any) -> None:
    """Replace the part of the project's broker profile that is about security."""
    name, part = PROFILES[kind]
    document = json.loads((project / name).read_text())
    document[part] = {"tls": False, **settings}
    document["schema_version"] = f"x07py.arch.msg.{kind}.profile@0.1.0"
    (project / name).write_text(json.dumps(document))


def point_at(monkeypatch: pytest.MonkeyPatch, kind: str, address: str, password: str = PASSWORD) -> None:
    monkeypatch.setenv(f"X07_{kind.upper()}_LOCAL_DEV_V1", address)
    monkeypatch.setenv("X07_SECRET_ITS_USER", USER if kind == "kafka" else "guest")
    monkeypatch.setenv("X07_SECRET_ITS_PASSWORD", password)


async def goes_through(kind: str) -> bool:
    """Publish a message and take it."""
    place = f"s-{uuid.uuid4().hex[:8]}"
    async with open_driver(kind, profile="local_dev_v1") as driver:
        await prepare(driver, place)
        await driver.publish(Envelope(place, b"k", b"1"))
        return [one.envelope.value for one in await take(driver, place, 1)] == [b"1"]


async def fails(kind: str, publish: bool = True) -> X07Error:
    with pytest.raises(X07Error) as caught:
        async with open_driver(kind, profile="local_dev_v1") as driver:
            await asyncio.wait_for(driver.publish(Envelope("t")) if publish else take(driver, "t", 1), 20)
    assert PASSWORD not in repr(caught.value) + str(caught.value.hint) + str(caught.value.__context__)
    return caught.value


@pytest.fixture(scope="session")
def kafka_users(live_kafka: RunningBroker) -> None:
    add_scram_user(live_kafka.address)


@pytest.mark.parametrize(
    ("protocol", "mode"),
    [
        ("SASL_PLAINTEXT", "plain_v1"),
        ("SASL_PLAINTEXT", "scram_v1"),
        ("SASL_PLAINTEXT", "scram_sha256_v1"),
        ("SASL_SSL", "scram_v1"),
        ("SSL", "none_v1"),
    ],
)
async def test_kafka_takes_the_right_user_and_certificate(
    project: Path,
    kafka_users: None,
    kafka_listeners: Listeners,
    monkeypatch: pytest.MonkeyPatch,
    protocol: str,
    mode: str,
) -> None:
    tls = {"tls": True, "ca_path": str(kafka_listeners.authority.file)} if protocol.endswith("SSL") else {}
    secure(project, "kafka", sasl_mode=mode, **tls, **({} if mode == "none_v1" else SECRETS))
    point_at(monkeypatch, "kafka", kafka_listeners.address(protocol))
    assert await goes_through("kafka")


@pytest.mark.parametrize(
    ("protocol", "host", "security", "advice"),
    [
        ("SASL_PLAINTEXT", "localhost", {**SCRAM, "wrong": True}, "'its_user' and 'its_password'"),
        ("SASL_PLAINTEXT", "localhost", {**SCRAM, "sasl_mode": "plain_v1", "wrong": True}, "sasl_mode plain_v1"),
        ("SASL_PLAINTEXT", "localhost", {}, "sasl_mode of the profile"),
        ("PLAINTEXT", "localhost", SCRAM, "sasl_mode scram_v1"),
        ("SSL", "localhost", {}, "do tls and sasl_mode"),
        ("PLAINTEXT", "localhost", {"tls": True}, "do tls and sasl_mode"),
        ("SSL", "localhost", {"tls": True}, "is ca_path the authority"),
        ("SSL", "localhost", {"tls": True, "ca_path": "other.pem"}, "is ca_path the authority"),
        ("SSL", "127.0.0.1", {"tls": True, "ca_path": "ca.pem"}, "its host name"),
    ],
)
async def test_kafka_says_what_does_not_fit(
    project: Path,
    kafka_users: None,
    kafka_listeners: Listeners,
    monkeypatch: pytest.MonkeyPatch,
    protocol: str,
    host: str,
    security: dict[str, Any],
    advice: str,
) -> None:
    put_authorities(project, kafka_listeners)
    wrong = security.get("wrong", False)
    secure(project, "kafka", **{name: value for name, value in security.items() if name != "wrong"})
    point_at(monkeypatch, "kafka", kafka_listeners.address(protocol, host), "wrong-0815" if wrong else PASSWORD)
    for publish in (True, False) if wrong else (True,):
        error = await fails("kafka", publish)
        assert error.code == 9758
        assert advice in str(error.hint)


def put_authorities(project: Path, listeners: Listeners) -> None:
    """Put the right authority into ``ca.pem`` of the project and another one into ``other.pem``."""
    (project / "ca.pem").write_bytes(listeners.authority.file.read_bytes())
    (project / "other.pem").write_bytes(Authority(project / "other", "others").file.read_bytes())


async def test_rabbitmq_takes_the_right_user_and_certificate(
    project: Path, live_amqp: RunningBroker, amqp_listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_authorities(project, amqp_listeners)
    secure(project, "amqp", tls=True, ca_path="ca.pem", **SECRETS)
    point_at(monkeypatch, "amqp", amqp_listeners.address("SSL"), "guest")
    assert await goes_through("amqp")


@pytest.mark.parametrize(
    ("protocol", "host", "auth", "code", "advice"),
    [
        ("PLAINTEXT", "localhost", SECRETS, 9853, "'its_user' and 'its_password'"),
        ("SSL", "localhost", {"tls": True, **SECRETS}, 9862, "is ca_path the authority"),
        ("SSL", "localhost", {"tls": True, "ca_path": "other.pem", **SECRETS}, 9862, "is ca_path the authority"),
        ("SSL", "127.0.0.1", {"tls": True, "ca_path": "ca.pem", **SECRETS}, 9862, "its host name"),
        ("PLAINTEXT", "localhost", {"tls": True, "ca_path": "ca.pem", **SECRETS}, 9862, "port for TLS"),
        ("SSL", "localhost", SECRETS, 9862, "set tls of the profile"),
    ],
)
def test_rabbitmq_says_what_does_not_fit_at_the_command_line(
    project: Path,
    live_amqp: RunningBroker,
    amqp_listeners: Listeners,
    monkeypatch: pytest.MonkeyPatch,
    protocol: str,
    host: str,
    auth: dict[str, Any],
    code: int,
    advice: str,
) -> None:
    put_authorities(project, amqp_listeners)
    secure(project, "amqp", **auth)
    point_at(monkeypatch, "amqp", amqp_listeners.address(protocol, host))
    shown = refused("msg", "topology", "plan", "app_v1", cwd=project, code=str(code))
    assert advice in shown
    assert PASSWORD not in shown


async def test_rabbitmq_without_secrets_and_without_the_virtual_host(
    project: Path, amqp_root: Path, live_amqp: RunningBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_at(monkeypatch, "amqp", live_amqp.address, "guest")
    file = project / PROFILES["amqp"][0]
    document = json.loads(file.read_text())
    document.update(vhost="elsewhere", auth=SECRETS)
    file.write_text(json.dumps(document))
    error = await fails("amqp")
    assert (error.code, "'elsewhere'" in error.message) == (9853, True)
    document.update(vhost="/", auth={})
    file.write_text(json.dumps(document))
    rabbitmqctl(amqp_root, "change_password", "guest", "changed")
    try:
        error = await fails("amqp")
    finally:
        rabbitmqctl(amqp_root, "change_password", "guest", "guest")
    assert (error.code, "names no secrets" in str(error.hint)) == (9853, True)


@pytest.mark.parametrize("kind", ["kafka", "amqp"])
@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), ("nothing\n", "holds no certificate")])
async def test_a_file_of_authorities_that_cannot_be_used(
    project: Path, monkeypatch: pytest.MonkeyPatch, kind: str, content: str | None, reason: str
) -> None:
    secure(project, kind, tls=True, ca_path="ca.pem", **SECRETS)
    point_at(monkeypatch, kind, "127.0.0.1:1")
    if content is not None:
        (project / "ca.pem").write_text(content)
    error = await fails(kind)
    assert isinstance(error, ContractError)
    assert error.code == {"kafka": 9750, "amqp": 9850}[kind]
    assert reason in error.message
    assert error.where == str(project / "ca.pem")


async def test_a_mode_without_secrets_is_a_faulty_profile(project: Path) -> None:
    for settings in ({}, {"username_secret_id": "its_user"}):
        secure(project, "kafka", sasl_mode="scram_v1", **settings)
        error = await fails("kafka")
        assert (error.code, "needs username_secret_id" in error.message) == (9750, True)


def test_profiles_with_all_of_it_pass_the_architecture_check(project: Path) -> None:
    from tests.arch.trees import contracts_project

    root = contracts_project(project / "checked")
    secure(root, "kafka", tls=True, ca_path="tls/ca.pem", **{**SCRAM, "sasl_mode": "scram_sha256_v1"})
    secure(root, "amqp", tls=True, ca_path="tls/ca.pem", **SECRETS)
    topology = root / "arch/msg/amqp/topology/app_v1.topology.json"
    document = {**json.loads(topology.read_text()), "schema_version": "x07py.arch.msg.amqp.topology@0.1.0"}
    for part in ("exchanges", "queues", "bindings"):
        document[part][0]["arguments"] = {"x-any": 1}
    topology.write_text(json.dumps(document))
    done = x07("arch", "check", "--write-lock", cwd=root)
    assert done.returncode == 0, done.stdout + done.stderr
