"""Drivers of others: found by entry points, recorded under their own number and names, refused when they cannot be."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib import invalidate_caches
from pathlib import Path
from typing import Any

import pytest

from tests.support.installed import install, site
from tests.support.project import REPOSITORY, project, x07_here
from x07py import Envelope, open_driver
from x07py.drivers import DriverPlugin
from x07py.drivers.kafka_plugin import KAFKA_DRIVER
from x07py.drivers.plugin import driver_kinds, find_driver
from x07py.errors import DriverError, NotInstalledError, RunError
from x07py.rr import session
from x07py.run.hosts import parse_host
from x07py.run.program import contract_hosts

__all__ = ["project", "site"]

SPOOL = """
import asyncio
from pathlib import Path
from typing import Any

from x07py import Delivery, Envelope
from x07py.drivers import Ack, Dialect, DriverPlugin, Limits, canonical_json

DIALECT = Dialect.of("spool", 128, ("queue", "lane", "number"), ("ack", "commit"), 9911)


class Backend:
    dialect = DIALECT

    def __init__(self, profile):
        self.profile, self.root = profile.name, profile

    async def publish_many(self, envelopes):
        acks = []
        for envelope in envelopes:
            folder = self.root / envelope.topic
            folder.mkdir(parents=True, exist_ok=True)
            number = len(list(folder.iterdir()))
            (folder / f"{number:08d}").write_bytes(envelope.encode())
            acks.append(Ack(b"OK", canonical_json({"number": number})))
        return acks

    async def consume(self, subscription):
        for queue in subscription.sources:
            for file in sorted((self.root / queue).iterdir()):
                await asyncio.sleep(0)
                meta = canonical_json({"queue": queue, "lane": 0, "number": int(file.name)})
                yield [Delivery.from_broker(Envelope.decode(file.read_bytes()), meta, (queue, 0, int(file.name)))]

    async def control(self, op, request):
        self.dialect.refuse_unknown(op)
        return {}

    async def keep_alive(self):
        return True

    async def close(self):
        pass


def read_profile(root, profile):
    return root / "spool" / profile


DRIVER = DriverPlugin(
    dialect=DIALECT,
    read_profile=read_profile,
    profile_ids=lambda root: ["local"],
    connect=lambda profile, options: Backend(profile),
    limits=lambda profile: Limits(1 << 20, 100),
    addresses=lambda profile: ("127.0.0.1:7777",),
    install_hint="pip install x07-spool",
    schemes={"spool": 7777},
    connection_origin={"spool-link": "from the spool"}.get,
)
"""

ORIGIN = """
from x07py.run.report import origin
from x07py.sandbox.notifications import Denial

print(*[origin(Denial("connect", "127.0.0.1:7777", 1, thread)) for thread in ("spool-link", "python")])
"""


def spool(site: Path, text: str = SPOOL, name: str = "x07-spool", kind: str = "spool") -> None:
    module = name.replace("-", "_")
    install(site, name, "0.1.0", {f"{module}/__init__.py": text}, {"x07.drivers": {kind: f"{module}:DRIVER"}})
    invalidate_caches()


async def day() -> list[bytes]:
    found = []
    async with open_driver("spool", profile="local") as driver:
        assert driver.kind == "spool"
        await driver.publish_many([Envelope("orders", b"k", b"%d" % n) for n in range(3)])
        async for batch in driver.consume(["orders"]):
            found += [one.envelope.value for one in batch]
            await driver.ack(batch)
        await driver.commit()
    return found


def allow(project: Path, *ops: str) -> None:
    """Let the one policy of the example record these operations too."""
    index = project / "arch/rr/index.x07rr.json"
    document = json.loads(index.read_text())
    for row in document["policies"]:
        row["ops_allowed"] = sorted([*row["ops_allowed"], *ops])
    index.write_text(json.dumps(document))
    for row in document["policies"]:
        file = project / row["policy_path"]
        policy = json.loads(file.read_text())
        if "ops_allowed" in policy:
            policy["ops_allowed"] = sorted([*policy["ops_allowed"], *ops])
            file.write_text(json.dumps(policy))


async def test_a_driver_of_others_is_found_recorded_and_replayed(project: Path, site: Path) -> None:
    spool(site)
    allow(project, "spool.publish_env_v1", "spool.consume_env_v1", "spool.ack_v1", "spool.commit_v1")
    with session(mode="record", cassette="day"):
        assert await day() == [b"0", b"1", b"2"]
    (project / "spool").rename(project / "gone")
    with session(mode="replay", cassette="day"):
        assert await day() == [b"0", b"1", b"2"]
    shown = x07_here("rr", "show", "day", "--format", "json", cwd=project).stdout
    assert "spool.publish_env_v1" in shown


def test_its_addresses_are_granted_by_contract(project: Path, site: Path) -> None:
    spool(site)
    assert [host.text for host in contract_hosts(project, "spool:local", "x07.toml")] == ["127.0.0.1:7777"]
    with pytest.raises(RunError, match="no broker profile") as caught:
        contract_hosts(project, "nats:local", "x07.toml")
    assert "amqp, kafka, spool" in str(caught.value.hint)


def test_the_sandbox_speaks_of_it_as_of_every_driver(project: Path, site: Path) -> None:
    spool(site)
    policy = json.loads(x07_here("policy", "init", "spool-worker", cwd=project).stdout)
    assert policy["net"]["allow_hosts"] == [{"host": "127.0.0.1", "ports": [7777]}]
    refused = x07_here("policy", "init", "nats-worker", cwd=project)
    assert refused.returncode == 126
    assert "no policy is called 'nats-worker'" in refused.stderr
    assert "there are job, amqp-worker, kafka-worker, spool-worker" in refused.stderr
    with pytest.raises(RunError) as caught:
        parse_host("spool://broker.example/", "--allow-host")
    assert "broker.example:7777" in str(caught.value.hint)
    asked = [sys.executable, "-c", ORIGIN]
    said = subprocess.run(asked, env={"PYTHONPATH": str(site)}, capture_output=True, text=True, check=True)
    assert said.stdout == "from the spool None\n"


async def refusal(kind: str = "spool") -> DriverError:
    with pytest.raises(DriverError) as caught:
        async with open_driver(kind, profile="local"):
            pass
    return caught.value


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('"spool", 128', '"spool", 2'), "its number is 2"),
        (('"spool", 128', '"pool", 128'), "it calls itself 'pool'"),
        (("pip install x07-spool", "x', protocol=7, install_hint='y"), ""),
        (("DRIVER = DriverPlugin(", "DRIVER = dict("), "is no DriverPlugin"),
        (("DRIVER = DriverPlugin(", "DRIVER = DriverPlug("), "its module raises NameError: name 'DriverPlug'"),
        (
            (
                "DIALECT = Dialect.of(",
                'DIALECT = Dialect("spool", 128, "std.msg.kafka.publish_env_v1", "a", "b", (), 1, ())\n_ = Dialect.of(',
            ),
            "its operations do not start with 'spool.'",
        ),
    ],
)
async def test_a_driver_that_does_not_fit_is_refused(
    change: tuple[str, str], said: str, project: Path, site: Path
) -> None:
    text = (
        SPOOL.replace(*change) if said else SPOOL.replace('    install_hint="', '    protocol=7,\n    install_hint="')
    )
    spool(site, text)
    error = await refusal()
    assert error.code == 9624
    assert (said or "it speaks version 7") in error.message


async def test_two_drivers_of_one_kind_are_refused_by_name(project: Path, site: Path) -> None:
    spool(site)
    spool(site, name="x07-spool-two")
    error = await refusal()
    assert "several drivers" in error.message
    assert "x07-spool-two (x07_spool_two:DRIVER)" in str(error.where)


async def test_a_driver_that_cannot_be_imported_says_what_it_lacks(project: Path, site: Path) -> None:
    spool(site, "import no_such_client\n" + SPOOL)
    error = await refusal()
    assert isinstance(error, NotInstalledError)
    assert "no_such_client" in error.message


async def test_a_kind_that_nobody_provides(project: Path) -> None:
    error = await refusal("nats")
    assert error.code == 9624
    assert "amqp, kafka" in str(error.hint)


def test_a_driver_in_an_archive_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "unpacked"
    spool(folder, name="x07-packed")
    archive = shutil.make_archive(str(tmp_path / "drivers"), "zip", folder)
    monkeypatch.setattr(sys, "path", [*sys.path, archive])
    assert driver_kinds() == ["amqp", "kafka", "spool"]
    assert find_driver("spool").dialect.number == 128


def test_kinds_are_told_without_the_slow_reader_of_metadata() -> None:
    code = "import sys; from x07py.drivers.plugin import *; print(driver_kinds(), 'importlib.metadata' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout == "['amqp', 'kafka'] False\n"


def test_the_drivers_of_x07py_are_plugins_like_others() -> None:
    assert isinstance(KAFKA_DRIVER, DriverPlugin)


def test_every_module_of_the_drivers_is_in_one_package_so_that_locks_hold_it() -> None:
    documents = (REPOSITORY / "x07py/catalog").glob("*/x07-package.json")
    held = [module for one in documents for module in json.loads(one.read_text())["modules"]]
    files = [path.stem for path in (REPOSITORY / "x07py/drivers").glob("*.py") if path.stem != "__init__"]
    assert sorted(one for one in held if one.startswith("x07py.drivers.")) == sorted(
        f"x07py.drivers.{name}" for name in files
    )


CHECK = """
SCHEMA = {
    "properties": {"schema_version": {"const": "spool@1"}, "profiles": {"items": {"required": ["id", "size"]}}},
    "required": ["schema_version", "profiles"],
}


def check(check, path):
    index = check.index(path, SCHEMA, "E_ARCH_MSG_DRIVER_PROFILE")
    for row in index["profiles"] if index else ():
        check.largest_message("size", row["size"], {"rr_policy_id": "msg_rr_v1", **row}, path)
        check.names(profiles=[row["id"]])


DRIVER = DRIVER._replace(check_contracts=check)
"""


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ({"schema_version": "spool@1", "profiles": [{"id": "local", "size": 1 << 20}]}, ""),
        ({"schema_version": "spool@2", "profiles": []}, "schema_version is 'spool@2', not 'spool@1'"),
        ({"schema_version": "spool@1", "profiles": [{"id": "local"}]}, "'size' is a required property"),
        ({"schema_version": "spool@1", "profiles": [{"id": "local", "size": 1}]}, "and size is 1"),
    ],
)
def test_its_own_check_of_contracts_runs_under_its_domain(
    index: dict[str, Any], said: str, project: Path, site: Path
) -> None:
    spool(site, SPOOL + CHECK)
    path = "arch/msg/spool/index.x07spool.json"
    (project / path).parent.mkdir()
    (project / path).write_text(json.dumps(index))
    assert "spool" not in x07_here("arch", "check", cwd=project).stdout  # the manifest does not name the domain
    file = project / "arch/manifest.x07arch.json"
    manifest = json.loads(file.read_text()) | {"schema_version": "x07py.arch.manifest@0.1.0"}
    manifest["contracts_v1"]["msg_spool"] = {"index_path": path, "enforce": "error"}
    file.write_text(json.dumps(manifest))
    checked = x07_here("arch", "check", cwd=project).stdout
    assert "W_ARCH_CONTRACT_DOMAIN_UNCHECKED" not in checked
    assert said in checked if said else path not in checked, checked


@pytest.mark.parametrize("installed", [False, True])
def test_contracts_that_no_driver_can_read_are_named(installed: bool, project: Path, site: Path) -> None:
    index = project / "arch/msg/spool/index.x07spool.json"
    index.parent.mkdir()
    index.write_text("{}")
    if installed:
        spool(site, "import no_such_client\n" + SPOOL)
    said = x07_here("arch", "check", cwd=project).stdout
    why = "No module named 'no_such_client'" if installed else "no driver called 'spool' is installed here"
    assert f"{why}, so nobody reads its contracts" in said
    assert "W_ARCH_CONTRACT_DOMAIN_UNCHECKED" in said
