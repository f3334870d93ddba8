"""Topologies against RabbitMQ: types of exchanges that plugins bring, bindings and policies that are there already."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from aiormq.exceptions import ChannelPreconditionFailed
from pamqp.commands import Basic

from tests.support.live import rabbitmqctl
from tests.support.project import x07_here
from x07py import Envelope, open_driver
from x07py.brokers.native import free_port
from x07py.drivers.amqp_native import from_amqp, to_amqp
from x07py.drivers.amqp_topology import is_about_type
from x07py.errors import ContractError, DriverError, UnsupportedError
from x07py.explore.standing import simulated_brokers

PROFILE = "arch/msg/amqp/profiles/local_dev_v1.amqp.json"
TOPOLOGY = "arch/msg/amqp/topology/app_v1.topology.json"
DELAYED = {"type": "x-delayed-message", "arguments": {"x-delayed-type": "direct"}}


def write(root: Path, path: str, **fields: Any) -> None:
    """Change fields of a contract file, in x07py's own version of it."""
    document = json.loads((root / path).read_text())
    own = document["schema_version"].replace("x07.", "x07py.")
    (root / path).write_text(json.dumps({**document, "schema_version": own, **fields}))


def topology_of(name: str, kind: str = "x-consistent-hash") -> dict[str, Any]:
    return {
        "exchanges": [{"name": name, "type": kind}],
        "queues": [{"name": name}],
        "bindings": [
            {"exchange": name, "queue": name, "routing_key": "1"},
            {"exchange": name, "to_exchange": "amq.fanout", "routing_key": "1", "arguments": {"a": 1}},
        ],
    }


@pytest.fixture
def management(on_amqp: Path, amqp_root: Path) -> str:
    """The address of a management API, and the plugin of consistent hashing; RabbitMQ ships both, and keeps them."""
    del on_amqp
    plugins = ["rabbitmq_management", "rabbitmq_consistent_hash_exchange"]
    port = free_port()
    place = f'application:set_env(rabbitmq_management, tcp_config, [{{port, {port}}}, {{ip, "127.0.0.1"}}]).'
    rabbitmqctl(amqp_root, "eval", place)
    rabbitmqctl(amqp_root, "enable", *plugins, tool="rabbitmq-plugins")
    return f"http://127.0.0.1:{port}"


async def planned(topology: dict[str, Any], op: str = "plan_topology") -> dict[str, Any]:
    """Plan or apply with a driver on the profile as it stands."""
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        found: dict[str, Any] = await driver.control(op, {"topology": topology})
    return found


def actions(found: dict[str, Any]) -> list[str]:
    return [step["action"] for step in found["plan"]]


@pytest.mark.live
async def test_with_the_management_api_what_is_there_is_not_planned_again(
    on_amqp: Path, management: str, amqp_root: Path
) -> None:
    name = f"t-{uuid.uuid4().hex[:8]}"
    topology = topology_of(name)
    write(on_amqp, PROFILE, management_url=management)
    applied = await planned(topology, "apply_topology")
    assert (actions(applied), applied["seen_by"]) == (["create", "create", "bind", "bind"], "management_api")
    limits = '{"max-length": 9, "overflow": "reject-publish"}'
    rabbitmqctl(amqp_root, "set_policy", "limits", f"^{name}$", limits, "--apply-to", "queues")
    async with asyncio.timeout(120):  # the API knows of a policy when the queue has told of it, every five seconds
        while actions(found := await planned(topology)) == ["keep"] * 4 and not found["plan"][1]["detail"]:
            pass
    details = [step["detail"] for step in found["plan"]]
    assert details == ["", "policy 'limits' sets max-length=9, overflow=reject-publish", "by '1'", "by '1'"]
    write(on_amqp, PROFILE, management_url=management.rpartition(":")[0] + f":{free_port()}")
    found = await planned(topology)
    assert (actions(found), found["seen_by"]) == (["keep", "keep", "bind", "bind"], "declarations")
    assert found["plan"][2]["detail"] == "by '1'; it may be there already"
    assert "AMQP does not tell, and it does not answer" in found["note"]


@pytest.mark.live
async def test_a_type_that_no_plugin_brings_is_a_conflict_and_refused(on_amqp: Path) -> None:
    del on_amqp
    name = f"t-{uuid.uuid4().hex[:8]}"
    given = topology_of(name) | {"exchanges": [{"name": name, **DELAYED}]}
    found = await planned(given)
    assert found["plan"][0]["action"] == "conflict"
    assert "rabbitmq-plugins enable rabbitmq_delayed_message_exchange" in found["plan"][0]["detail"]
    assert "the profile has no management_url; types of exchanges: as amq.direct was declared" in found["note"]
    with pytest.raises(UnsupportedError, match="no exchanges of type 'x-delayed-message'"):
        await planned(given, "apply_topology")
    assert actions(await planned(topology_of(name, "direct"))) == ["create", "create", "bind", "bind"]


@pytest.mark.parametrize(
    ("reason", "is_it"),
    [
        ("PRECONDITION_FAILED - unknown exchange type 'x-delayed-message'", True),
        ("PRECONDITION_FAILED - invalid exchange type 'x-random'", True),
        ("PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq.direct' in vhost '/'", False),
    ],
)
def test_rabbitmq_4_says_by_the_same_code_that_a_type_is_missing(reason: str, is_it: bool) -> None:
    assert is_about_type(ChannelPreconditionFailed(reason)) is is_it


async def test_the_simulated_broker_delays_and_has_no_other_plugin(project: Path) -> None:
    del project
    topology = {
        "exchanges": [{"name": "later", **DELAYED}],
        "queues": [{"name": "q"}],
        "bindings": [{"exchange": "later", "queue": "q", "routing_key": "q"}],
    }
    with simulated_brokers():
        async with open_driver("amqp", profile="local_dev_v1") as driver, asyncio.timeout(60):
            with pytest.raises(UnsupportedError, match="9866"):
                await driver.control("apply_topology", {"topology": topology_of("t")})
            await driver.control("apply_topology", {"topology": topology})
            for delay, value in (("400", b"late"), ("0", b"now"), ("200", b"soon")):
                await driver.publish(Envelope("q", b"", value, {"x07-exchange": "later", "x-delay": delay}))
            found: list[tuple[bytes, str]] = []
            async for batch in driver.consume(["q"]):
                found += [(one.envelope.value, one.envelope.headers["x-delay"]) for one in batch]
                if len(found) == 3:
                    break
    assert found == [(b"now", "0"), (b"soon", "200"), (b"late", "400")]


@pytest.mark.parametrize(
    ("exchange", "wrong"),
    [
        ({"name": "e", "type": "x-delayed-message"}, "needs the argument x-delayed-type"),
        ({"name": "e", "type": "x-delayed-message", "arguments": {"x-delayed-type": "odd"}}, "one of direct"),
        ({"name": "e", "type": "x-"}, "that of a plugin"),
    ],
)
async def test_an_exchange_that_cannot_be_meant(project: Path, exchange: dict[str, Any], wrong: str) -> None:
    del project
    with simulated_brokers():
        async with open_driver("amqp", profile="local_dev_v1") as driver:
            with pytest.raises(ContractError, match=wrong):
                await driver.control("plan_topology", {"topology": {"exchanges": [exchange]}})


def test_the_contracts_of_delayed_exchanges_and_of_the_management_api_are_checked(project: Path) -> None:
    given = json.loads((project / TOPOLOGY).read_text())
    write(project, TOPOLOGY, exchanges=[*given["exchanges"], {"name": "later", "type": "x-delayed-message"}])
    write(project, PROFILE, management_url="http://rabbit.example:15672")
    told = x07_here("arch", "check", cwd=project).stdout
    assert "without the argument x-delayed-type" in told
    assert "logs in at rabbit.example without TLS" in told
    write(project, TOPOLOGY, exchanges=[*given["exchanges"], {"name": "later", **DELAYED}])
    write(project, PROFILE, management_url="https://rabbit.example:15671")
    assert "E_ARCH_MSG" not in x07_here("arch", "check", cwd=project).stdout
    write(project, PROFILE, management_url="ftp://rabbit.example")
    assert "is no address of a management API" in x07_here("arch", "check", cwd=project).stdout


@pytest.mark.parametrize("text", ["0", "5000", "4294967295", "4294967296", "-1", "soon", "", "007"])
def test_a_delay_is_a_number_for_the_broker_and_survives(text: str) -> None:
    sent = Envelope("t", headers={"x-delay": text})
    table = to_amqp(sent)[1].headers or {}
    assert isinstance(table["x-delay"], int) == (text in {"0", "5000", "4294967295"})
    assert from_amqp("t", b"", to_amqp(sent)[1]) == sent


@pytest.mark.parametrize("value", [5, -5, "5", "soon", True, 2**40, 1.5, None])
def test_a_delay_of_another_program_comes_back_as_it_was(value: object) -> None:
    received = from_amqp("t", b"", Basic.Properties(headers={"x-delay": value}))  # type: ignore[dict-item]
    assert to_amqp(received)[1].headers == {"x-delay": value}
    assert type((to_amqp(received)[1].headers or {})["x-delay"]) is type(value)


@pytest.mark.live
async def test_a_delayed_message_for_an_exchange_that_is_not_there_is_told(on_amqp: Path) -> None:
    del on_amqp
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        with pytest.raises(DriverError, match="9854"):
            await driver.publish(Envelope("q", headers={"x07-exchange": "nowhere", "x-delay": "5"}))
