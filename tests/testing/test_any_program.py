"""`x07 rr exec` with programs that are no Python of ours: the kernel hands their connections over."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from tests.support.certificates import Authority
from tests.support.kafka_tools import tool
from tests.support.project import REPOSITORY, x07
from x07py import use_cassette
from x07py.brokers.process import RunningBroker

FOREIGN = REPOSITORY / ".venv" / "foreign"
EXEC = ("rr", "exec", "--cassette", "c.x07rr.bin")


@pytest.fixture
def bystander() -> Iterator[socket.socket]:
    """A port of this machine that is no broker's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        yield listener


def says(listener: socket.socket) -> str:
    """Return a command of bash that connects to a port and says a word there."""
    return f"exec 3<>/dev/tcp/127.0.0.1/{listener.getsockname()[1]} && echo hello >&3 && echo connected"


def test_clients_in_go_and_node_replay_what_they_recorded(tmp_path: Path, live_kafka: RunningBroker) -> None:
    node = shutil.which("node")
    assert node
    for command in ([str(FOREIGN / "go-client")], ["sh", "-c", f"{node} {FOREIGN}/client.js $0 $1"]):
        cassette = ("rr", "exec", "--cassette", f"{uuid.uuid4().hex}.x07rr.bin", "--", *command)
        run = (*cassette, live_kafka.address, f"any-{uuid.uuid4().hex[:8]}")
        recorded = x07(*run, cwd=tmp_path)
        assert (recorded.returncode, recorded.stdout.count("got")) == (0, 3), recorded.stderr
        assert "network: each connection came through x07 (kernel)" in recorded.stderr
        replayed = x07(*run, cwd=tmp_path)  # with the times that the broker gave when it was recorded
        assert (replayed.returncode, replayed.stdout) == (0, recorded.stdout), replayed.stderr
        assert "network: none (kernel)" in replayed.stderr


def test_kafkas_own_console_tools_replay_what_they_recorded(tmp_path: Path, live_kafka: RunningBroker) -> None:
    topic = f"console-{uuid.uuid4().hex[:8]}"
    produce, consume = (
        shlex.join(
            [*tool(f"org.apache.kafka.tools.{name}"), "--bootstrap-server", live_kafka.address, "--topic", topic]
        )
        for name in ("ConsoleProducer", "consumer.ConsoleConsumer")
    )
    script = f"printf 'one\\ntwo\\nthree\\n' | {produce} && {consume} --from-beginning --max-messages 3"
    recorded = x07(*EXEC, "--", "sh", "-c", script, cwd=tmp_path)
    assert (recorded.returncode, recorded.stdout) == (0, "one\ntwo\nthree\n"), recorded.stderr
    replayed = x07(*EXEC, "--", "sh", "-c", script, cwd=tmp_path)
    assert (replayed.returncode, replayed.stdout) == (0, recorded.stdout), replayed.stderr
    assert "network: none (kernel)" in replayed.stderr


def test_a_replay_reaches_nothing_but_its_cassette(tmp_path: Path, bystander: socket.socket) -> None:
    (tmp_path / ".x07_rr").mkdir()
    (tmp_path / ".x07_rr/c.x07rr.bin").write_bytes(b"")
    python = f"import socket; socket.create_connection({bystander.getsockname()}).sendall(b'hello')"
    for command in (["bash", "-c", says(bystander)], [sys.executable, "-I", "-c", python]):
        done = x07(*EXEC, "--", *command, cwd=tmp_path)
        assert done.returncode == 125
        assert f"127.0.0.1:{bystander.getsockname()[1]}" in done.stderr
        assert "X07_CASSETTE_CONNECTION" in done.stderr
        with pytest.raises(TimeoutError):
            bystander.accept()


TLS = """
import socket, ssl, sys
trusting = ssl._create_unverified_context()
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as plain:
    trusting.wrap_socket(plain, server_hostname="broker.example").close()
"""


def test_tls_of_its_own_is_refused_with_the_commands_that_record_it(tmp_path: Path) -> None:
    key, certificate = Authority(tmp_path / "tls").server("broker.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as plain, context.wrap_socket(plain, server_side=True) as listener:
        port = listener.getsockname()[1]

        def greet() -> None:
            with listener.accept()[0] as one:
                one.recv(1)

        greeting = threading.Thread(target=greet, daemon=True)
        greeting.start()
        command = (*EXEC, "--", sys.executable, "-I", "-c", TLS, str(port))
        recorded = x07(*command, cwd=tmp_path)
        greeting.join(30)
    (tmp_path / ".x07_rr/c.x07rr.bin").write_bytes(b"")
    replayed = x07(*command, cwd=tmp_path)
    for done, said in ((recorded, "over TLS of its own"), (replayed, "speaks TLS of its own")):
        assert done.returncode == 125
        assert said in done.stderr
        told = " ".join(done.stderr.split())
        at = r"c.x07rr.bin --listen 127.0.0.1:\d+"
        assert re.search(rf"x07 rr record {at} --upstream tls://broker.example:{port}", told), told
        assert re.search(rf"x07 rr serve {at}", told), told


def test_what_is_no_broker_is_listed_while_recording(tmp_path: Path, bystander: socket.socket) -> None:
    done = x07(*EXEC, "--allow-empty", "--", "bash", "-c", says(bystander), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "connected\n"), done.stderr
    assert f"not on the cassette: 127.0.0.1:{bystander.getsockname()[1]} (bash (process " in done.stderr
    with bystander.accept()[0] as got:
        assert got.recv(100) == b"hello\n"


def test_a_broker_that_is_not_there_refuses_as_by_itself(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = x07(*EXEC, "--", "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}", cwd=tmp_path)
    assert done.returncode == 1
    assert "Connection refused" in done.stderr


def test_a_replay_looks_no_name_up(tmp_path: Path) -> None:
    (tmp_path / ".x07_rr").mkdir()
    (tmp_path / ".x07_rr/c.x07rr.bin").write_bytes(b"")
    done = x07(*EXEC, "--allow-empty", "--", "getent", "ahostsv4", "kafka.example", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("198.18.0.1")


def test_datagrams_are_refused(tmp_path: Path) -> None:
    done = x07(*EXEC, "--allow-empty", "--", "bash", "-c", "echo x >/dev/udp/127.0.0.1/8125", cwd=tmp_path)
    assert done.returncode == 1
    assert "Permission denied" in done.stderr


def test_signals_reach_it_and_it_ends_with_its_own_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "x07py", *EXEC, "--allow-empty", "--", "bash", "-c"]
    script = "trap 'echo told; exit 5' TERM; echo ready; while true; do sleep 0.1; done"
    with subprocess.Popen([*command, script], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        started.send_signal(signal.SIGTERM)
        assert started.stdout.read() == "told\n"
        assert started.wait(30) == 5


def test_a_program_that_is_killed_leaves_the_cassette_as_it_was(tmp_path: Path) -> None:
    (tmp_path / ".x07_rr").mkdir()
    (tmp_path / ".x07_rr/c.x07rr.bin").write_bytes(b"")
    done = x07(*EXEC, "--mode", "all", "--allow-empty", "--", "bash", "-c", "kill -9 $$", cwd=tmp_path)
    assert done.returncode == 125
    assert "the program was ended by signal 9" in done.stderr


def test_names_that_may_be_reached_are_reached(tmp_path: Path, bystander: socket.socket) -> None:
    (tmp_path / ".x07_rr").mkdir()
    (tmp_path / ".x07_rr/c.x07rr.bin").write_bytes(b"")
    port = bystander.getsockname()[1]
    more = ("--allow-empty", "--passthrough", f"localhost:{port}", "--", "bash", "-c", says(bystander))
    done = x07(*EXEC, *more, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "connected\n"), done.stderr
    assert f"network: localhost:{port}" in done.stderr


def test_it_does_not_outlive_x07(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "x07py", *EXEC, "--allow-empty", "--", "bash", "-c", "echo $$; exec sleep 600"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        pid = int(started.stdout.readline())
        started.kill()
        started.wait(30)
    ends = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < ends:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


GREEN = """
from gevent import monkey; monkey.patch_all()
import gevent, pika, sys

def work(number):
    connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
    channel = connection.channel()
    channel.queue_declare(f"green-{number}", auto_delete=True)
    channel.confirm_delivery()
    channel.basic_publish("", f"green-{number}", b"hello %d" % number)
    while True:
        _, _, body = channel.basic_get(f"green-{number}", auto_ack=True)
        if body:
            break
    connection.close()
    return body

tasks = [gevent.spawn(work, number) for number in range(3)]
gevent.joinall(tasks, raise_error=True)
print(*[task.value for task in tasks])
"""


def test_a_python_whose_sockets_are_gevents_goes_by_the_kernel(tmp_path: Path, live_amqp: RunningBroker) -> None:
    (tmp_path / "green.py").write_text(GREEN)
    command = (*EXEC, "--", "python", "green.py", f"amqp://guest:guest@{live_amqp.address}/")
    for held in ("network: each connection came through x07 (kernel)", "network: none (kernel)"):
        done = x07(*command, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, "b'hello 0' b'hello 1' b'hello 2'\n"), done.stderr
        assert held in done.stderr


def test_other_sockets_in_the_place_of_pythons_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text("class socket: ...\n")
    (tmp_path / "test_late.py").write_text(
        "import pytest, socket, odd\n"
        "@pytest.mark.x07\ndef test_inside(): socket.socket = odd.socket\n"
        "@pytest.mark.x07\ndef test_before(): pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rN", "-p", "no:cacheprovider", "test_late.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "1 failed, 1 error" in done.stdout, done.stdout
    assert done.stdout.count("odd has sockets of its own in the place of Python's") == 2


def test_a_subclass_of_pythons_sockets_is_none_of_them(tmp_path: Path) -> None:
    """As pytest-socket puts one there."""
    (tmp_path / "guarded.py").write_text(
        "import socket\nfrom x07py import use_cassette\n"
        "class Guarded(socket.socket): ...\n"
        "with use_cassette('g.x07rr.bin', allow_empty=True):\n    socket.socket = Guarded\n"
        "with use_cassette('g.x07rr.bin', allow_empty=True):\n    pass\nprint('done')\n"
    )
    done = subprocess.run([sys.executable, "guarded.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_a_mock_in_the_place_of_pythons_sockets_is_no_library(tmp_path: Path) -> None:
    with use_cassette("m.x07rr.bin", allow_empty=True, root=tmp_path), mock.patch("socket.socket"):
        socket.socket()
