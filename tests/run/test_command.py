"""The command: profiles, grants, streams, signals, exit codes, report; with real programs and a real Kafka client."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from confluent_kafka import Producer

from tests.support.project import x07, x07_here
from x07py.contracts.schemas import load_schema

PROGRAM = """
import os, signal, socket, sys, time
def main():
    what, *rest = sys.argv[1:]
    if what == "exit": return int(rest[0])
    if what == "args": print(rest); return 0
    if what == "cat": sys.stdout.write(sys.stdin.read().upper()); return 0
    if what == "env": print(os.environ.get(rest[0])); return 0
    if what == "write": open(rest[0], "w").write("x"); return 0
    if what == "read": print(open(rest[0]).read()); return 0
    if what == "connect": print(socket.create_connection((rest[0], int(rest[1])), timeout=5).recv(9)); return 0
    if what == "crash": os.kill(os.getpid(), signal.SIGSEGV)
    if what == "start": os.execv(rest[0], rest)
    if what == "sleep":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
        print("ready", flush=True); time.sleep(60)
if __name__ == "__main__": sys.exit(main())
"""


@pytest.fixture
def app(project: Path) -> Path:
    (project / "app.py").write_text(PROGRAM)
    (project / "x07.toml").write_text('entry = "app"\n[profiles.wide]\nworld = "run-os-sandboxed"\nallow-env = ["X"]\n')
    return project


@pytest.fixture
def server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_greet, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _greet(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            with client:
                client.sendall(b"hello")


BOTH = pytest.mark.parametrize("profile", ["sandbox", "os"])


def run(app: Path, *args: str, profile: str = "sandbox", **env: str) -> subprocess.CompletedProcess[str]:
    return x07("run", "--profile", profile, *args, cwd=app, **env)


@BOTH
def test_exit_code_arguments_and_crash_are_the_programs_own(app: Path, profile: str) -> None:
    assert run(app, "--", "exit", "7", profile=profile).returncode == 7
    shown = run(app, "--", "args", "--report", "x", "--", "-h", profile=profile)
    assert shown.stdout == "['--report', 'x', '--', '-h']\n"
    assert run(app, "--", "crash", profile=profile).returncode == 128 + signal.SIGSEGV


@BOTH
def test_entries_are_modules_functions_and_files(app: Path, profile: str) -> None:
    for entry in ("app", "app:main", "app.py"):
        assert run(app, "--entry", entry, "--", "exit", "3", profile=profile).returncode == 3


@pytest.mark.parametrize("where", [("--profile", "sandbox"), ("--world", "solve-pure")], ids=["sandbox", "solve-pure"])
def test_a_function_that_is_not_there_is_told_without_a_traceback(app: Path, where: tuple[str, str]) -> None:
    (app / "small.py").write_text("value = 1\n")
    done = x07("run", *where, "--entry", "small:value", cwd=app)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith("error[X07RUN_ENTRY]: module small has no function 'value'\n")
    assert "Traceback" not in done.stderr


@BOTH
def test_signals_reach_the_program_and_time_ends_it(app: Path, profile: str) -> None:
    command = [str(Path(sys.executable).parent / "x07"), "run", "--profile", profile, "--", "sleep"]
    process = subprocess.Popen(command, cwd=app, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 9
    process.stdout.close()
    ended = run(app, "--timeout", "1", "--", "sleep", profile=profile)
    assert ended.returncode == 124
    assert "time limit of 1 s" in ended.stderr


def test_standard_streams_pass_through(app: Path) -> None:
    command = [str(Path(sys.executable).parent / "x07"), "run", "--profile", "sandbox", "--", "cat"]
    assert subprocess.run(command, cwd=app, input=b"abc", capture_output=True, check=True).stdout == b"ABC"


def test_network_needs_a_grant_and_a_denial_names_the_flag(app: Path, server: int) -> None:
    report = app / "run.json"
    refused = run(app, "--report", str(report), "--", "connect", "127.0.0.1", str(server))
    assert refused.returncode == 1
    assert f"allow with --allow-host 127.0.0.1:{server}" in refused.stderr
    document = json.loads(report.read_text())
    jsonschema.validate(document, load_schema("x07.run.report"))
    assert document["denials"][0]["allow"] == f"--allow-host 127.0.0.1:{server}"
    explained = x07_here("run", "--profile", "sandbox", "--explain", cwd=app)
    assert json.loads(explained.stdout)["layers"].items() <= document["layers"].items()
    grant = ("--allow-host", f"127.0.0.1:{server}", "--timeout", "99999999")
    granted = run(app, *grant, "--", "connect", "127.0.0.1", str(server))
    assert granted.stdout == "b'hello'\n"
    denied = run(
        app,
        *("--allow-host", f"127.0.0.0/8:{server}", "--deny-host", "127.0.0.1:*"),
        *("--", "connect", "127.0.0.1", str(server)),
    )
    assert denied.returncode == 1


def test_a_name_is_pinned_to_what_it_was(app: Path, server: int) -> None:
    rules = app / "hosts.txt"
    rules.write_text(f"localhost:{server}\n")
    assert run(app, "--allow-host-file", str(rules), "--", "connect", "localhost", str(server)).returncode == 0


def test_files_outside_the_project_need_a_grant(app: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "secret").write_text("s3cret")
    assert run(app, "--", "read", str(other / "secret")).returncode == 1
    assert run(app, "--allow-read", str(other), "--", "read", str(other / "secret")).stdout == "s3cret\n"
    assert run(app, "--allow-read", str(other), "--", "write", str(other / "new")).returncode == 1
    assert run(app, "--", "write", str(app / "new")).returncode == 1
    assert run(app, "--allow-write", str(other), "--", "write", str(other / "new")).returncode == 0
    assert not (app / "new").exists()


def test_environment_and_programs_need_a_grant(app: Path) -> None:
    assert run(app, "--", "env", "X", X="1").stdout == "None\n"
    assert run(app, "--allow-env", "X", "--", "env", "X", X="1").stdout == "1\n"
    assert run(app, "--", "env", "X", profile="wide", X="1").stdout == "1\n"
    assert run(app, "--", "start", "/bin/echo", "hi").returncode == 1
    assert run(app, "--allow-run", "echo", "--", "start", "/bin/echo", "hi").stdout == "hi\n"


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ((), "X07RUN_PROFILE"),
        (("--profile", "none"), "X07RUN_PROFILE"),
        (("--world", "none"), "X07RUN_WORLD_UNKNOWN"),
        (("--world", "solve-kv"), "X07RUN_WORLD_NOT_RUNNABLE"),
        (("--profile", "sandbox", "--entry", "no_such_module"), "X07RUN_ENTRY"),
        (("--profile", "sandbox", "--entry", "none.py"), "X07RUN_ENTRY"),
        (("--profile", "sandbox", "--entry", "a b"), "X07RUN_ENTRY"),
        (("--profile", "sandbox", "--entry", "json"), "X07RUN_ENTRY"),
        (("--profile", "sandbox", "--entry", "json.none"), "X07RUN_ENTRY"),
        (("--profile", "sandbox", "--report", "/no/such/folder/report"), "X07RUN_FILE"),
        (("--profile", "sandbox", "--report", "."), "X07RUN_FILE"),
        (("--profile", "sandbox", "--rr", "tape"), "X07_USAGE"),
        (("--profile", "sandbox", "--timeout", "inf"), "X07_USAGE"),
        (("--profile", "sandbox", "--policy", "none.json"), "X07RUN_FILE"),
        (("--profile", "sandbox", "--allow-host", "*:1"), "X07RUN_HOST"),
        (("--profile", "sandbox", "--allow-contract", "redis:x"), "X07RUN_HOST"),
        (("--profile", "sandbox", "--allow-read", "/no/such/place"), "X07RUN_PATH"),
        (("--profile", "sandbox", "--allow-run", "no-such-program"), "X07RUN_PATH"),
        (("--profile", "sandbox", "--allow-env", "NOT_SET"), "X07RUN_ENV"),
        (("--profile", "os", "--allow-host", "127.0.0.1:1"), "X07RUN_CONTRADICTION"),
        (("--profile", "os", "--require-layer", "landlock"), "X07RUN_CONTRADICTION"),
        (("--profile", "os", "--max-procs", "9"), "X07RUN_CONTRADICTION"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_runs(app: Path, args: tuple[str, ...], code: str) -> None:
    done = x07_here("run", *args, "--", "exit", "0", cwd=app)
    assert done.returncode == 126
    assert f"error[{code}]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_profile_in_the_manifest_is_named(app: Path) -> None:
    (app / "x07.toml").write_text('[profiles.p]\nworld = "run-os"\ncolour = 1\n')
    done = x07_here("run", "--profile", "p", cwd=app)
    assert done.returncode == 126
    assert "profiles.p.colour is not known" in done.stderr


def test_explain_shows_the_policy_and_runs_nothing(app: Path) -> None:
    shown = x07_here(
        *("run", "--profile", "sandbox", "--explain", "--allow-host", "127.0.0.1:9092", "--", "exit", "5"), cwd=app
    )
    assert shown.returncode == 0
    document = json.loads(shown.stdout)
    assert document["connect"] == [{"rule": "127.0.0.1:9092", "source": "--allow-host"}]
    free = x07_here("run", "--profile", "os", "--explain", cwd=app)
    assert json.loads(free.stdout)["layers"] == {"isolation": "none: world run-os"}


WORKER = """
import asyncio, sys
from x07py import Envelope, X07Error, open_driver
async def main():
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await driver.publish(Envelope("orders", b"k", b"v"))
try: asyncio.run(main()); print("published")
except X07Error as error: print(error.code); sys.exit(1)
"""


PUBLISHER = """
import os, sys
from confluent_kafka import Consumer, Producer
denied = []
def note(error): denied.append(error) if "Permission denied" in error.str() else None
producer = Producer({"bootstrap.servers": sys.argv[1], "error_cb": note})
for partition in range(4): producer.produce("t", b"x", partition=partition)
while not denied: producer.poll(0.1)
producer.purge()
consumer = Consumer({"bootstrap.servers": sys.argv[2], "group.id": "g"})
print(consumer.poll(0.5), flush=True)
os._exit(0)  # librdkafka may wait for ever for a client that it lets go of while a broker of its cluster is refused
"""


def test_an_address_that_a_kafka_cluster_advertises_is_named_as_such(app: Path) -> None:
    """Two brokers, of which one is granted: the program learns of the other one from it."""
    cluster = Producer({"test.mock.num.brokers": 2, "bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    cluster.list_topics("t", timeout=60)
    granted, advertised = (
        f"127.0.0.1:{one.port}" for _, one in sorted(cluster.list_topics(timeout=10).brokers.items())
    )
    (app / "publisher.py").write_text(PUBLISHER)
    places = ("--entry", "publisher.py", "--allow-host", granted, "--report", "report", "--")
    done = run(app, *places, granted, "127.0.0.1:2")
    who = f"denied connect {advertised} by rdk:broker2 \\(pid [0-9]+\\)(, [0-9]+ times)?"
    why = f"advertised by the Kafka cluster as broker 2; allow with --allow-host {advertised}"
    assert re.search(f"{who}: {why}\n", done.stderr), done.stderr
    origins = {one["target"]: one["origin"] for one in json.loads((app / "report").read_text())["denials"]}
    assert origins.pop(advertised) == "advertised by the Kafka cluster as broker 2"
    other = {"127.0.0.1:2": "from bootstrap.servers or the Kafka cluster"}
    assert origins.items() <= other.items()  # the client need not come to try this one


def test_librdkafka_publishes_under_a_contract(kafka: Path) -> None:
    (kafka / "worker.py").write_text(WORKER)
    (kafka / "x07.toml").write_text('entry = "worker"\n')
    done = x07("run", "--profile", "sandbox", "--allow-contract", "kafka:local_dev_v1", cwd=kafka)
    assert done.stdout == "published\n", done.stderr


@pytest.mark.parametrize("manifest", ["x07.toml", "pyproject.toml"])
def test_the_sandbox_is_confined_whatever_the_manifest_says(app: Path, manifest: str) -> None:
    (app / "x07.toml").unlink()
    table = "[tool.x07]\n" if manifest == "pyproject.toml" else ""
    prefix = "tool.x07." if table else ""
    text = f'{table}entry = "app"\n[{prefix}profiles.sandbox]\nworld = "run-os"\n'
    (app / manifest).write_text(text)
    done = x07("run", "--profile", "sandbox", "--", "read", "/etc/shadow", cwd=app)
    assert (done.returncode, done.stdout) == (126, "")
    assert "X07RUN_PROFILE_WORLD" in done.stderr


def test_a_flag_does_not_open_the_sandbox(app: Path) -> None:
    done = x07("run", "--profile", "sandbox", "--world", "run-os", "--", "exit", "0", cwd=app)
    assert "X07RUN_PROFILE_WORLD" in done.stderr


@pytest.mark.parametrize(
    ("name", "table", "said"),
    [
        ("sandboxed", 'world = "run-os"', "profile sandboxed runs in world run-os: nothing is confined"),
        ("replay", 'world = "run-os"', "profile replay runs in world run-os: nothing is confined"),
        ("sandbox", 'allow-read = ["/"]', "grants allow-read /"),
        ("sandbox", 'allow-read = ["../.."]', "grants allow-read ../.."),
        ("sandbox", 'allow-run = ["/bin/sh"]', "grants allow-run /bin/sh"),
        ("local", 'world = "run-os"', None),
        ("sandbox", 'allow-read = ["data"]', None),
    ],
)
def test_what_confines_less_than_its_name_is_said_before_the_program_starts(
    app: Path, name: str, table: str, said: str | None
) -> None:
    (app / "data").mkdir()
    (app / "x07.toml").write_text(f'entry = "app"\n[profiles.{name}]\n{table}\n')
    done = x07("run", "--profile", name, "--explain", cwd=app)
    lines = [line for line in done.stderr.splitlines() if "warning" in line]
    assert [said in line for line in lines] == [True] if said else not lines, done.stderr


@pytest.mark.parametrize(("profile", "more"), [("sandbox", ("--rr", "record")), ("replay", ())])
def test_a_folder_of_cassettes_that_is_a_link_opens_nothing(
    app: Path, profile: str, more: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (app / ".x07_rr").symlink_to(outside)
    command = ("run", "--profile", profile, *more, "--cassette", "a.x07rr.bin", "--", "write", f"{outside}/evil")
    done = x07(*command, cwd=app)
    assert "error[X07IO_WRITE]: it is a symbolic link" in done.stderr
    assert not list(outside.iterdir())


def test_a_run_without_a_report_imports_nothing_heavy(app: Path) -> None:
    code = "import atexit, sys; sys.argv = ['x07', 'run', '--profile', 'sandbox', '--', 'exit', '7']\n"
    code += "atexit.register(lambda: sys.stderr.write(' '.join(sys.modules)))\nfrom x07py.cli.start import main; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=app, capture_output=True, text=True, check=False)
    assert done.returncode == 7
    assert not {"asyncio", "typer", "x07py.drivers.driver", "x07py.rr"} & set(done.stderr.split())
