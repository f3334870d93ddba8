"""The pytest plugin holds tests to x07.lock, to their worlds and to the kernel's idea of no network; RabbitMQ."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

import x07py.cli.pkg  # noqa: F401 (what pytester has not seen before a test, it takes out of sys.modules after it)
from tests.pkg.builders import pkg
from tests.pkg.conftest import empty
from tests.support import live
from tests.support.installed import install_package, site
from x07py.testing.network import can_step_out

__all__ = ["empty", "site"]
pytest_plugins = ["pytester"]


def run(pytester: pytest.Pytester, folder: Path, *args: str) -> pytest.RunResult:
    os.chdir(folder)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", f"--rootdir={folder}", str(folder), *args)


def test_a_test_uses_the_locked_packages(pytester: pytest.Pytester, empty: Path, site: Path) -> None:
    install_package(site, "greet", "1.0.0")
    pkg(empty, "add", "greet")
    (empty / "test_greet.py").write_text("import greet\ndef test_version():\n    assert greet.VERSION == '1.0.0'\n")
    for extra in ([], ["-n2"], []):
        run(pytester, empty, *extra).assert_outcomes(passed=1)
    (site / "greet" / "__init__.py").write_text('VERSION = "evil"\n')
    refused = run(pytester, empty)
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["*X07PKG_TAMPERED*greet/__init__.py*", "*x07 pkg lock*"])


def test_a_world_refuses_packages_that_do_not_allow_it(pytester: pytest.Pytester, empty: Path, site: Path) -> None:
    install_package(site, "greet", "1.0.0", worlds_allowed=["run-os"])
    pkg(empty, "add", "greet")
    (empty / "test_inside.py").write_text("""
import pytest

@pytest.mark.x07(world="solve-rr")
def test_refused(x07_broker):
    import greet

@pytest.mark.x07(world="run-os", allow_empty=True)
def test_allowed(x07_broker):
    import greet
    assert greet.VERSION == "1.0.0"
""")
    (empty / "test_module.py").write_text("""
import greet, pytest

@pytest.mark.x07(world="solve-rr")
def test_refused(x07_broker): ...
""")
    result = run(pytester, empty)
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*X07PKG_WORLD_REFUSED*greet 1.0.0 may not be used in world solve-rr*"])


RAW = """
import ctypes, pytest

def connect():
    libc = ctypes.CDLL(None, use_errno=True)
    number = libc.socket(2, 1, 0)
    address = (2).to_bytes(2, "little") + ({port}).to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
    failed = libc.connect(number, address, 16)
    libc.close(number)
    return ctypes.get_errno() if failed else 0

@pytest.mark.x07("c.x07rr.bin", allow_empty=True)
def test_replayed():
    assert connect() == {replayed}

def test_outside():
    assert connect() == 0
"""


def test_native_code_of_a_replaying_test_meets_the_kernel(pytester: pytest.Pytester) -> None:
    refusal = can_step_out()
    (pytester.path / ".x07_rr").mkdir()
    (pytester.path / ".x07_rr/c.x07rr.bin").write_bytes(b"")
    with socket.create_server(("127.0.0.1", 0)) as outside:
        port = outside.getsockname()[1]
        pytester.makepyfile(RAW.format(port=port, replayed=0 if refusal else errno.ECONNREFUSED))
        result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2)
    said = f"refused by hooks in Python's sockets (kernel: {refusal})" if refusal else "none (kernel namespace)"
    result.stdout.fnmatch_lines([f"x07: record as marked; network: replaying tests: {said}"])


RABBIT = """
import aio_pika, pytest

@pytest.mark.x07(broker="amqp")
async def test_queue(x07_broker):
    async with await aio_pika.connect_robust(x07_broker) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("orders")
        await channel.default_exchange.publish(aio_pika.Message(b"paid"), routing_key="orders")
        async with queue.iterator() as messages:
            async for message in messages:
                await message.ack()
                assert message.body == b"paid"
                break

@pytest.mark.x07(broker="carrier pigeon")
def test_pigeon(x07_broker): ...
"""


@pytest.mark.skipif(live.SKIP, reason=live.SKIPPED)
def test_rabbitmq_is_started_to_record_and_not_to_replay(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(RABBIT)
    pytester.makeini("[pytest]\nasyncio_mode = auto\n")
    recorded = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    recorded.assert_outcomes(passed=1, errors=1)
    recorded.stdout.fnmatch_lines(["*X07_CASSETTE_BROKER*carrier pigeon*"])
    for extra in (["--x07-no-network"], ["-n2"]):
        args = ("-p", "no:cacheprovider", "-k", "queue", "--x07-record=none", *extra)
        pytester.runpytest_subprocess(*args).assert_outcomes(passed=1)
