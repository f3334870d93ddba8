"""`x07 rr exec`: a program with its own command line, recorded and replayed as it is."""

from __future__ import annotations

import re
import signal
import socket
import socketserver
import sys
import threading
from pathlib import Path

import pytest

from tests.support.project import x07
from x07py.brokers.embedded import EmbeddedKafka

SERVICE = """
import sys
from confluent_kafka import Consumer, Producer

bootstrap, topic, word = sys.argv[1:]
producer = Producer({"bootstrap.servers": bootstrap})
producer.produce(topic, value=word)
producer.flush()
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest"})
consumer.subscribe([topic])
try:
    while True:
        message = consumer.poll(1.0)
        if message is not None:
            print("got", message.value().decode(), message.offset(), flush=True)
except KeyboardInterrupt:
    print("interrupted", *sorted({"aiormq", "aio_pika"} & sys.modules.keys()))  # what it does not use is not loaded
finally:
    consumer.close()
"""


@pytest.fixture
def service(project: Path) -> Path:
    """A project with a service that runs until Ctrl-C."""
    (project / "service.py").write_text(SERVICE)
    return project


def test_a_service_that_never_ends(service: Path, embedded: EmbeddedKafka) -> None:
    command = ("rr", "exec", "--cassette", "s.x07rr.bin", "--until-idle", "10", "--", "python", "service.py")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell starts a job in the background
    try:
        recorded = x07(*command, embedded.bootstrap, "served", "hello", cwd=service)
    finally:
        signal.signal(signal.SIGINT, before)
    assert recorded.stderr.startswith("x07: recorded 3 entries of s.x07rr.bin; network: open;"), recorded.stderr
    assert (recorded.returncode, recorded.stdout) == (0, "got hello 0\ninterrupted\n"), recorded.stderr
    for extra in ((), ("--mode", "none")):
        again = x07(*command[:4], *extra, *command[6:], "127.0.0.1:1", "served", "hello", cwd=service)
        assert (again.returncode, again.stdout) == (0, recorded.stdout), again.stderr
    other = x07(*command[:4], *command[6:], "127.0.0.1:1", "served", "bye", cwd=service)
    assert other.returncode == 125
    assert "2051" in other.stderr
    assert "[2050]" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--mode", "none", "--", "python", "service.py"), "2002"),
        (("--mode", "onse", "--", "python", "service.py"), "X07_CASSETTE_MODE"),
        (("--", "no-such-program"), "X07RUN_EXEC"),
        (("--", "true"), "X07_CASSETTE_EMPTY"),
        (("--", "python", "-I", "-c", "pass"), "X07_CASSETTE_EMPTY"),
    ],
)
def test_what_cannot_be_run_is_said(service: Path, arguments: tuple[str, ...], code: str) -> None:
    done = x07("rr", "exec", "--cassette", "none.x07rr.bin", *arguments, cwd=service)
    assert done.returncode != 0
    assert code in done.stderr
    assert "Traceback" not in done.stderr


def test_the_programs_own_sitecustomize_runs_too(project: Path) -> None:
    (project / "sitecustomize.py").write_text("import sys; sys.own = 'ran'\n")
    (project / "shows.py").write_text("import sys; print(sys.own)\n")
    command = ("rr", "exec", "--cassette", "o.x07rr.bin", "--allow-empty", "--", "python", "shows.py")
    done = x07(*command, cwd=project, PYTHONPATH=str(project))
    assert (done.stdout, done.stderr.count("\n")) == ("ran\n", 1), done.stderr


STARTS = """
import os, subprocess, sys

subprocess.run(["bash", "-c", "true"], check=True)
subprocess.run("exit 0", shell=True, check=True)
subprocess.run([sys.executable, "-I", "-c", ""], check=True)
subprocess.run([sys.executable, "-c", ""], check=True)
os.posix_spawn("/bin/true", ["true"], os.environ)
"""


def test_programs_whose_connections_are_not_seen_are_named(project: Path) -> None:
    (project / "starts.py").write_text(STARTS)
    (project / "seen.py").write_text("import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)\n")
    command = ("rr", "exec", "--allow-empty", "--mode", "all", "--cassette")
    python = Path(sys.executable).name
    inner = [
        " ".join(("x07", *command, f"{name}.x07rr.bin", "--", python, f"{name}.py")) for name in ("starts", "seen")
    ]
    shell = f"import os; os.system({'; '.join(inner)!r})"  # below one filter of the kernel there can be no other
    done = x07(*command, "outer.x07rr.bin", "--", python, "-c", shell, cwd=project)
    starts, seen, outer = done.stderr.splitlines()
    assert starts.endswith(
        f"connections (kernel: Device or resource busy); not seen are those of bash, sh, {python}, true"
    )
    assert seen.endswith("Python's sockets and this process's connections (kernel: Device or resource busy)")
    assert outer.endswith("Python's sockets and what else connects (kernel: hands over)")


NATIVE = """
import ctypes, subprocess, sys

host, port = b"\\x7f\\0\\0\\1", int(sys.argv[1])
libc = ctypes.CDLL(None)
one = libc.socket(2, 1, 0)
print(libc.connect(one, (2).to_bytes(2, sys.byteorder) + port.to_bytes(2, "big") + host + bytes(8), 16))
libc.send(one, b"ping", 4, 0)
answer = ctypes.create_string_buffer(5)
libc.recv(one, answer, 4, 0x100)
print(answer.value.decode(), flush=True)
libc.close(one)
subprocess.run(["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}; echo -n ping >&3; head -c 4 <&3"], check=True)
"""


class Echo(socketserver.BaseRequestHandler):
    """A service that is no broker."""

    def handle(self) -> None:
        """Say four bytes again."""
        self.request.sendall(self.request.recv(4, socket.MSG_WAITALL))


def test_what_connects_past_pythons_sockets_is_seen_however_soon_it_closes(project: Path) -> None:
    (project / "native.py").write_text(NATIVE)
    command = ("rr", "exec", "--cassette", "n.x07rr.bin", "--allow-empty", "--mode")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        program = ("--", "python", "native.py", str(port))
        recorded = x07(*command, "all", *program, cwd=project)
        assert recorded.stdout == "0\nping\nping", recorded.stderr
        assert re.search(rf"not on the cassette: 127.0.0.1:{port} \(.*, 127.0.0.1:{port} \(bash ", recorded.stderr)
        (project / ".x07_rr/n.x07rr.bin").touch()
        named = x07(*command, "none", "--passthrough", f"localhost:{port}", *program, cwd=project)
        assert (named.returncode, named.stdout) == (0, recorded.stdout), named.stderr
        refused = x07(*command, "none", *program, cwd=project)
        server.shutdown()
    assert refused.returncode == 125
    assert f"connects to 127.0.0.1:{port}, and the connection is no broker's" in refused.stderr


def test_what_goes_on_after_the_program_is_ended(project: Path) -> None:
    (project / "leaves.py").write_text("import os, time\nif not os.fork():\n    os.setsid()\n    time.sleep(600)\n")
    done = x07("rr", "exec", "--cassette", "l.x07rr.bin", "--allow-empty", "--", "python", "leaves.py", cwd=project)
    assert done.returncode == 0
    assert re.match(r"x07: ended, since it went on after the program: python\S* \(process \d+\)\n", done.stderr)


CHILDREN = """
import multiprocessing, sys

def produce(address, word):
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": address})
    said = lambda error, message: print(error, message.offset(), flush=True)
    producer.produce("of-children", word, "one key", on_delivery=said)
    producer.flush()

if __name__ == "__main__":
    for how in ("fork", "spawn"):
        child = multiprocessing.get_context(how).Process(target=produce, args=(sys.argv[1], how))
        child.start()
        child.join()
"""


def test_clients_in_c_of_child_processes_are_on_the_cassette(project: Path, embedded: EmbeddedKafka) -> None:
    (project / "children.py").write_text(CHILDREN)
    command = ("rr", "exec", "--cassette", "children.x07rr.bin", "--", "python", "children.py")
    recorded = x07(*command, embedded.bootstrap, cwd=project)
    assert (recorded.returncode, recorded.stdout) == (0, "None 0\nNone 1\n"), recorded.stderr
    again = x07(*command, "127.0.0.1:1", cwd=project)
    assert (again.returncode, again.stdout) == (0, recorded.stdout), again.stderr


def test_the_exit_code_is_the_programs(project: Path) -> None:
    (project / "fails.py").write_text("import os, sys\nassert 'X07_RR_EXEC' not in os.environ\nsys.exit(3)\n")
    done = x07("rr", "exec", "--cassette", "f.x07rr.bin", "--", "python", "fails.py", cwd=project)
    assert done.returncode == 3, done.stderr
