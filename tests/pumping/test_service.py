"""Services by their manifests: read by a pump, probed, rolled out, and made into objects of Kubernetes and KEDA."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_reports import report
from tests.pumping.test_pump import places, prefill
from tests.support.project import REPOSITORY, x07_here
from x07py import ContractError, Envelope, PumpError, PumpOptions, PumpReport, metrics, open_driver, pump
from x07py.brokers.native import free_port
from x07py.explore.standing import simulated_brokers

DASHBOARD = REPOSITORY / "docs/dashboards/pump.grafana.json"


def write_service(root: Path, **fields: Any) -> dict[str, Any]:
    """Write the manifest of a service called billing."""
    usual = {"driver": "kafka", "profile": "local_dev_v1", "sources": ["orders"], "group": "billing", "in_flight": 50}
    head = {"schema_version": "x07py.arch.msg.service@0.1.0", "v": 1, "id": "billing", "drain_s": 30}
    file = root / "arch/msg/services/billing.service.json"
    file.parent.mkdir(exist_ok=True)
    document = {**head, **usual, **fields}
    file.write_text(json.dumps(document))
    return document


def probe(port: int, path: str) -> tuple[int, str]:
    """Return status and text of a probe, 0 if nothing listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


async def until_probe(port: int, path: str, status: int) -> str:
    """Wait until a probe answers with a status, two minutes at most; return its text."""

    def ask() -> str:
        end = time.monotonic() + 120
        while (found := probe(port, path))[0] != status:
            assert time.monotonic() < end, found
            time.sleep(0.05)
        return found[1]

    return await asyncio.to_thread(ask)


async def start(version: str, sink: str) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "tests.pumping.service_worker", version, sink]
    return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)


@pytest.mark.live
@pytest.mark.parametrize("kind", ["kafka", "amqp"])
async def test_a_new_version_takes_over_while_messages_come(
    kind: str, request: pytest.FixtureRequest, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost, and no more comes twice than was in flight when the group was divided anew."""
    request.getfixturevalue(f"on_{kind}")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    source, sink = places(2)
    in_flight, sent = 20, 0
    await prefill(kind, [Envelope(sink, b"", b"first"), Envelope(source, b"", b"first")])
    given = {"driver": kind, "sources": [source], "group": source if kind == "kafka" else "", "in_flight": in_flight}
    workers = []

    async def started(version: str) -> None:
        port = free_port()
        write_service(project, probes={"port": port, "stall_s": 60}, **given)
        workers.append(await start(version, sink))
        await until_probe(port, "/readyz", 200)

    async with open_driver(kind, profile="local_dev_v1") as driver, asyncio.timeout(240):

        async def send(until: asyncio.Task[Any]) -> None:
            nonlocal sent
            while not until.done():
                await driver.publish_many([Envelope(source, b"k%d" % n, b"%d" % (sent + n)) for n in range(8)])
                sent += 8
                await asyncio.sleep(0.1)
            await until

        await started("old")
        await send(asyncio.create_task(started("new")))
        workers[0].send_signal(signal.SIGTERM)
        ending = asyncio.create_task(workers[0].communicate())
        await send(ending)
        seen: Counter[bytes] = Counter()
        versions: set[str] = set()
        async for batch in driver.consume([sink], group="" if kind == "amqp" else sink):
            seen.update(one.envelope.value for one in batch)
            versions |= {one.envelope.headers.get("version", "") for one in batch}
            await driver.ack(batch)
            if len(seen) == sent + 1:
                break
    workers[1].send_signal(signal.SIGTERM)
    outputs = [(await ending)[0], (await asyncio.wait_for(workers[1].communicate(), 120))[0]]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert set(seen) == {b"first", *(b"%d" % n for n in range(sent))}
    assert versions == {"", "old", "new"}
    handled = sum(PumpReport(**json.loads(out)).consumed for out in outputs)
    assert sent + 1 <= handled <= sent + 1 + 2 * in_flight


async def test_probes_tell_of_a_handler_that_hangs_and_of_a_pump_that_ends(project: Path) -> None:
    """The pump's broker is a simulated one that stands; probes are for live pumps, so it is told of none."""
    port = free_port()
    write_service(project, probes={"port": port, "stall_s": 1})
    with simulated_brokers():
        async with open_driver("kafka", profile="local_dev_v1") as driver:
            await driver.publish(Envelope("orders", b"", b"1"))
            stop = asyncio.Event()
            pumping = asyncio.create_task(pump(driver, lambda _: stop.set(), service="billing", stop=stop))
            assert (await asyncio.wait_for(pumping, 60)).consumed == 1
    assert await asyncio.to_thread(probe, port, "/livez") == (0, "")


@pytest.mark.live
async def test_probes_of_a_live_pump(on_amqp: Path) -> None:
    port, [source] = free_port(), places(1)
    write_service(on_amqp, driver="amqp", group="", sources=[source], in_flight=1, probes={"port": port, "stall_s": 1})
    await prefill("amqp", [Envelope(source, b"", b"%d" % n) for n in range(2)])
    goes_on, stop = asyncio.Event(), asyncio.Event()

    async def handler(envelope: Envelope) -> None:
        if envelope.value == b"1":
            await goes_on.wait()

    async with open_driver("amqp", profile="local_dev_v1") as driver:
        pumping = asyncio.create_task(pump(driver, handler, service="billing", stop=stop))
        assert await until_probe(port, "/readyz", 200) == "ok\n"
        assert "the handler has finished nothing for" in await until_probe(port, "/livez", 503)
        assert "x07_consumed_total" in await until_probe(port, "/metrics", 200)
        assert (await asyncio.to_thread(probe, port, "/else"))[0] == 404
        other = open_driver("amqp", profile="local_dev_v1")
        async with other as second:
            with pytest.raises(PumpError, match="9905"):
                await pump(second, handler, service="billing")
        stop.set()
        assert "asked to stop" in await until_probe(port, "/readyz", 503)
        goes_on.set()
        assert (await asyncio.wait_for(pumping, 60)).consumed == 2
    assert await asyncio.to_thread(probe, port, "/livez") == (0, "")


async def test_a_manifest_and_a_program_that_contradict_each_other(project: Path) -> None:
    write_service(project, dead_letter="orders-dead")
    nothing = lambda _: None  # noqa: E731
    with simulated_brokers():
        async with open_driver("kafka", profile="local_dev_v1") as driver:
            with pytest.raises(PumpError, match="says topics"):
                await pump(driver, nothing, topics=["orders"], service="billing")
            with pytest.raises(PumpError, match="says drain_s"):
                await pump(driver, nothing, service="billing", options=PumpOptions(drain_s=3))
            with pytest.raises(ContractError, match="there are: billing"):
                await pump(driver, nothing, service="biling")
            with pytest.raises(PumpError, match="a pump of no topic"):
                await pump(driver, nothing)
        async with open_driver("amqp", profile="local_dev_v1") as driver:
            with pytest.raises(PumpError, match="consumes by kafka"):
                await pump(driver, nothing, service="billing")


def test_a_deployment_with_probes_and_scaling(project: Path) -> None:
    scaling = {"min_replicas": 0, "max_replicas": 4, "messages_per_replica": 1000}
    write_service(project, id="billing", probes={"port": 8080, "stall_s": 60}, scaling=scaling)
    command = ("msg", "service", "kubernetes", "billing", "--image", "r/billing:1", "--command", "python -m billing")
    items = {one["kind"]: one for one in json.loads(x07_here(*command, cwd=project).stdout)["items"]}
    assert list(items) == ["Deployment", "ScaledObject"]
    pod = items["Deployment"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 45
    [container] = pod["containers"]
    assert (container["command"], container["image"]) == (["python", "-m", "billing"], "r/billing:1")
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "probes"}
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["ports"] == [{"name": "probes", "containerPort": 8080}]
    [trigger] = items["ScaledObject"]["spec"]["triggers"]
    expected = {"consumerGroup": "billing", "topic": "orders", "lagThreshold": "1000", "offsetResetPolicy": "earliest"}
    assert trigger == {"type": "kafka", "metadata": {"bootstrapServers": "127.0.0.1:9092", **expected}}
    write_service(project, driver="amqp", group="", scaling=scaling)
    items = {one["kind"]: one for one in json.loads(x07_here(*command, cwd=project).stdout)["items"]}
    [trigger] = items["ScaledObject"]["spec"]["triggers"]
    assert trigger["metadata"] == {
        "protocol": "amqp",
        "mode": "QueueLength",
        "value": "1000",
        "vhostName": "/",
        "queueName": "orders",
    }
    assert items["TriggerAuthentication"]["spec"]["secretTargetRef"] == [
        {"parameter": "host", "name": "billing", "key": "host"}
    ]
    [container] = items["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert [one["name"] for one in container["env"]] == ["X07_SECRET_RABBIT_USERNAME", "X07_SECRET_RABBIT_PASSWORD"]
    assert "livenessProbe" not in container


def test_services_by_command(project: Path) -> None:
    unknown = x07_here("msg", "service", "kubernetes", "billing", "--image", "i", cwd=project)
    assert (unknown.returncode, "error[9904]" in unknown.stderr) == (20, True)
    write_service(project)
    [listed] = report("msg", "service", "list", cwd=project)["services"]
    assert (listed["id"], listed["sources"], listed["exactly_once"]) == ("billing", ["orders"], False)
    assert (
        "billing  kafka orders as billing, at least once, 50 in flight"
        in x07_here("msg", "service", "list", cwd=project).stdout
    )


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"group": ""}, "a service on kafka needs a group"),
        ({"driver": "amqp", "ack_mode": "exactly_once_v1"}, "exactly_once_v1 needs transactions, and amqp has none"),
        ({"profile": "other"}, "no kafka profile is called 'other'"),
        ({"sources": ["ordrs"]}, "it consumes 'ordrs'"),
        ({"in_flight": 0}, "in_flight"),
        ({"scaling": {"min_replicas": 2, "max_replicas": 1, "messages_per_replica": 1}}, "min_replicas is more"),
    ],
)
def test_a_manifest_that_cannot_be_meant(project: Path, fields: dict[str, Any], wrong: str) -> None:
    write_service(project, **fields)
    told = x07_here("arch", "check", cwd=project).stdout
    assert "E_ARCH_MSG_SERVICE" in told
    assert wrong in told


def test_the_dashboard_shows_metrics_that_there_are() -> None:
    board = json.loads(DASHBOARD.read_text())
    asked = {
        name for panel in board["panels"] for one in panel["targets"] for name in re.findall(r"x07_\w+", one["expr"])
    }
    for name in ("consumed", "acked", "dead_lettered", "retried", "produced", "duplicates"):
        metrics.count("kafka", "p", **{name: 1})
    metrics.lag("g", {"t/0": 1})
    metrics.stalled("kafka", "p", 0)
    metrics.handler_seconds("kafka", "p", 0.0)
    shown = (metrics.exposition() or b"").decode()
    assert asked
    assert {name for name in asked if not re.search(rf"^{name}\b", shown, re.MULTILINE)} == set()
