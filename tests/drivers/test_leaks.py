"""A planted password shows nowhere: not in logs, errors, objects, metrics, spans, cassettes, reports, processes."""

from __future__ import annotations

import logging
import shutil
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers import leaky
from tests.drivers.test_security import SCRAM, SECRETS, point_at, secure
from tests.rr.test_guard import ENCODINGS
from tests.support.listeners import PASSWORD, Listeners, add_scram_user
from tests.support.live import rabbitmqctl
from tests.support.project import x07
from x07py.brokers.process import RunningBroker
from x07py.drivers.kafka import KafkaBackend
from x07py.drivers.kafka_contract import read_profile
from x07py.drivers.kafka_plugin import addressed
from x07py.errors import DriverError
from x07py.msg import Envelope

pytestmark = pytest.mark.live
PLANTED = f"s3cret/pl%41nted:here@{uuid.uuid4().hex}"
"""Each process has its own: rabbitmqctl is told it on its command line, which another process's test would see."""


@pytest.fixture(params=["kafka", "amqp"])
def kind(request: pytest.FixtureRequest, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A broker that knows the planted password, with the project's profile pointing at it."""
    name: str = request.param
    listeners: Listeners = request.getfixturevalue(f"{name}_listeners")
    broker: RunningBroker = request.getfixturevalue(f"live_{name}")
    if name == "kafka":
        add_scram_user(broker.address, PLANTED)
        secure(project, name, **SCRAM)
        point_at(monkeypatch, name, listeners.address("SASL_PLAINTEXT"), PLANTED)
    else:
        rabbitmqctl(request.getfixturevalue("amqp_root"), "change_password", "guest", PLANTED)
        secure(project, name, **SECRETS)
        point_at(monkeypatch, name, broker.address, PLANTED)
    yield name
    if name == "kafka":
        add_scram_user(broker.address, PASSWORD)
    else:
        rabbitmqctl(request.getfixturevalue("amqp_root"), "change_password", "guest", "guest")


def command_lines(stop: threading.Event, seen: set[bytes]) -> None:
    """Collect the command lines of all processes until told to stop."""
    while not stop.wait(0.05):
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(file.read_bytes())
            except OSError:
                continue


@pytest.mark.parametrize("right", [True, False])
def test_a_program_that_shows_all_it_can(
    project: Path, kind: str, right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = PLANTED if right else PLANTED[::-1]
    monkeypatch.setenv("X07_SECRET_ITS_PASSWORD", planted)
    shutil.copy(leaky.__file__, project / "leaky.py")
    (project / "x07.toml").write_text('entry = "leaky"\n')
    stop, lines = threading.Event(), set[bytes]()
    watching = threading.Thread(target=command_lines, args=(stop, lines))
    watching.start()
    flags = ("--rr", "record", "--cassette", "leak.x07rr.bin", "--report", "report.json", "--allow-contract")
    grants = (f"{kind}:local_dev_v1", "--allow-env", "X07_SECRET_ITS_PASSWORD", "--allow-env", "X07_SECRET_ITS_USER")
    done = x07("run", "--profile", "sandbox", *flags, *grants, "--", kind, f"l-{uuid.uuid4().hex[:8]}", cwd=project)
    stop.set()
    watching.join()
    assert done.returncode == (0 if right else 1), done.stderr
    assert ("x07_consumed_total" if right else "[9758]" if kind == "kafka" else "[9853]") in done.stdout + done.stderr
    assert not right or "messaging.batch.message_count" in done.stdout
    assert any(b"leaky" in line for line in lines)
    written = {file: file.read_bytes() for file in project.rglob("*") if file.is_file()}
    assert project / "report.json" in written
    assert (project / ".x07_rr" / "leak.x07rr.bin" in written) is right
    shown: dict[object, bytes] = {"stdout": done.stdout.encode(), "stderr": done.stderr.encode()}
    shown["processes"] = b"\n".join(lines)
    shown |= {file: data for file, data in written.items()}  # noqa: C416
    assert (project / "report.json").stat().st_mode & 0o777 == 0o600
    forms = {name: encoded(planted) for name, encoded in ENCODINGS.items()}
    assert [(place, form) for place, data in shown.items() for form, text in forms.items() if text in data] == []


@pytest.mark.parametrize("right", [True, False])
async def test_librdkafka_with_all_its_debugging(
    project: Path,
    kafka_listeners: Listeners,
    live_kafka: RunningBroker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    right: bool,
) -> None:
    add_scram_user(live_kafka.address, PASSWORD)
    planted = PASSWORD if right else PLANTED
    for mode in ("plain_v1", "scram_v1"):
        secure(project, "kafka", **{**SCRAM, "sasl_mode": mode})
        point_at(monkeypatch, "kafka", kafka_listeners.address("SASL_PLAINTEXT"), planted)
        profile = read_profile(project, "local_dev_v1")
        with caplog.at_level(logging.DEBUG):
            backend = KafkaBackend(addressed(profile), {"debug": "all", "log_level": 7})
            if right:
                await backend.publish_many([Envelope(f"l-{uuid.uuid4().hex[:8]}")])
            else:
                with pytest.raises(DriverError):
                    await backend.publish_many([Envelope("t")])
            await backend.close()
    out = capfd.readouterr()
    assert "SaslAuthenticate" in caplog.text + out.out + out.err
    assert planted not in caplog.text + out.out + out.err + repr(backend._config)
