"""The example of a third-party driver, on a real Redis: live, recorded, replayed without a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import invalidate_caches
from pathlib import Path

import pytest

from tests.pkg.builders import pkg
from tests.pumping.test_service import write_service
from tests.support import live
from tests.support.installed import install, site
from tests.support.project import REPOSITORY, project, x07_here
from x07py import Envelope, open_driver
from x07py.drivers import Driver
from x07py.errors import UnreachableError
from x07py.rr import session
from x07py.testing.conformance import Subject, conformance, suite_of

__all__ = ["project", "site"]
EXAMPLE = REPOSITORY / "docs" / "examples" / "x07-redis-streams"
OPS = (
    "redis.ack_v1",
    "redis.commit_v1",
    "redis.consume_env_v1",
    "redis.lag_v1",
    "redis.nack_v1",
    "redis.publish_env_v1",
)


@pytest.fixture
def driver_project(project: Path, site: Path) -> Path:
    """A project that has declared the driver."""
    folder = EXAMPLE / "x07_redis_streams"
    files = {f"x07_redis_streams/{one.name}": one.read_text() for one in folder.iterdir() if one.is_file()}
    points = {
        "x07.packages": {"x07-redis-streams": "x07_redis_streams"},
        "x07.drivers": {"redis": "x07_redis_streams.plugin:REDIS_DRIVER"},
    }
    install(site, "x07-redis-streams", "0.1.0", files, points, ["redis>=5.2", "x07py"])
    invalidate_caches()
    index = project / "arch/rr/index.x07rr.json"
    document = json.loads(index.read_text())
    for row in document["policies"]:
        row["ops_allowed"] = sorted([*row["ops_allowed"], *OPS])
    index.write_text(json.dumps(document))
    numbers = {"max_message_bytes": 1 << 20, "max_poll_items": 100, "claim_idle_ms": 1500, "poll_wait_ms": 100}
    profile = {"id": "local", "host": "127.0.0.1", "port": 1, **numbers}
    (project / "arch/msg/redis").mkdir()
    (project / "arch/msg/redis/index.x07redis.json").write_text(json.dumps({"profiles": [profile]}))
    (project / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    pkg(project, "add", "msg.redis")
    return project


@pytest.fixture
def server(driver_project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Redis as `x07 broker up` starts it through the plug-in, at the address of the profile; the project."""
    if live.SKIP:
        pytest.skip(live.SKIPPED)
    done = x07_here("broker", "up", "redis", "--port", "0", "--format", "json", cwd=driver_project)
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("X07_REDIS_LOCAL", json.loads(done.stdout)["broker"]["address"])
    try:
        yield driver_project
    finally:
        down(driver_project)


def down(project: Path) -> None:
    """End the Redis of a project, if it runs."""
    done = x07_here("broker", "down", "redis", cwd=project)
    assert done.returncode == 0, done.stderr


async def day() -> tuple[list[int], dict[str, int]]:
    """Publish 250 messages; give one back, which comes again."""
    got: list[int] = []
    async with open_driver("redis", profile="local") as driver:
        sent = [Envelope("orders", b"k%d" % (n % 5), b"%d" % n, {"ce_id": str(n)}) for n in range(250)]
        assert [ack.text for ack in await driver.publish_many(sent)] == [b"OK"] * 250
        async for batch in driver.consume(["orders"], group="g"):
            if not got:
                await driver.nack(batch[:1])
            await driver.ack(batch[1:] if not got else batch)
            got += [int(one.envelope.value) for one in batch]
            await driver.commit()
            if len(got) >= 251:
                break
        return got, await driver.lag(["orders"], group="g")


async def test_live_recorded_and_replayed(server: Path) -> None:
    assert "redis answers at 127.0.0.1:" in x07_here("broker", "status", "redis", cwd=server).stdout
    with session(mode="record", cassette="day"):
        got, lag = await day()
    assert sorted(got) == sorted([0, *range(250)])
    assert lag == {"orders": 0}
    down(server)
    with session(mode="replay", cassette="day"):
        assert await day() == (got, lag)


async def lag_of_nothing(driver: Driver, place: str) -> None:
    await driver.lag([place], group=place)


SUBJECT = Subject("redis", "local", fail=lag_of_nothing, traits=frozenset({"groups", "lag"}))


async def test_it_conforms_live_recorded_and_replayed(server: Path) -> None:
    live = await conformance(SUBJECT, run="live")
    assert live == dict.fromkeys(live, "yes")
    assert len(live) == len(suite_of(SUBJECT)) >= 10
    assert await conformance(SUBJECT, run="taped", mode="record") == live
    down(server)
    assert await conformance(SUBJECT, run="taped", mode="replay") == live


async def test_a_server_that_is_not_there(driver_project: Path) -> None:
    with pytest.raises(UnreachableError) as caught:
        async with open_driver("redis", profile="local") as driver:
            await driver.publish(Envelope("orders", b"", b"1"))
    assert caught.value.code == 9901


def test_its_addresses_are_granted_and_its_contracts_checked(driver_project: Path) -> None:
    allowed = ("run", "--profile", "sandbox", "--allow-contract", "redis:local", "--entry", "shop.py", "--explain")
    (driver_project / "shop.py").write_text("")
    assert "127.0.0.1:1" in x07_here(*allowed, cwd=driver_project).stdout
    assert "the driver redis" not in x07_here("arch", "check", cwd=driver_project).stdout
    index = driver_project / "arch/msg/redis/index.x07redis.json"
    index.write_text(index.read_text().replace("127.0.0.1", ""))
    done = x07_here("arch", "check", cwd=driver_project)
    assert "the driver redis cannot use it: host of profile 'local' is no text" in done.stdout
    pkg(driver_project, "remove", "msg.redis")
    assert "X07PKG_KIND_UNDECLARED" in x07_here(*allowed, cwd=driver_project).stderr


def test_a_deployment_that_cannot_be_scaled_by_it(driver_project: Path) -> None:
    """The example does not say what KEDA scales by; a service that does not scale is deployed all the same."""
    about = {"driver": "redis", "profile": "local", "sources": ["orders"], "group": "g", "in_flight": 10}
    scaling = {"min_replicas": 0, "max_replicas": 4, "messages_per_replica": 1000}
    write_service(driver_project, **about)
    command = ("msg", "service", "kubernetes", "billing", "--image", "r/billing:1")
    (only,) = json.loads(x07_here(*command, cwd=driver_project).stdout)["items"]
    assert (only["kind"], only["spec"]["replicas"]) == ("Deployment", 1)
    write_service(driver_project, **about, scaling=scaling)
    told = x07_here(*command, cwd=driver_project)
    assert (told.returncode, told.stdout) == (20, "")
    assert "the driver redis does not say what KEDA scales by" in told.stderr
