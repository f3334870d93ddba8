"""The pytest plugin holds tests to x07.lock, to their worlds and to the kernel's idea of no network; RabbitMQ."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import live
from tests.pkg.builders import Packages
from tests.pkg.conftest import empty, packages
from tests.project import x07
from x07py.testing.network import can_step_out

__all__ = ["empty", "packages"]
pytest_plugins = ["pytester"]


def add(project: Path, package: Path) -> None:
    """Add a package in a process of its own: pytester takes apart what this one has imported."""
    x07("pkg", "add", "greet", "--path", str(package), "--sync", cwd=project)


def run(pytester: pytest.Pytester, folder: Path, *args: str) -> pytest.RunResult:
    os.chdir(folder)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", f"--rootdir={folder}", str(folder), *args)


def test_a_test_uses_the_locked_packages(pytester: pytest.Pytester, empty: Path, packages: Packages) -> None:
    add(empty, packages.make("greet", "1.0.0"))
    (empty / "test_greet.py").write_text("import greet\ndef test_version():\n    assert greet.VERSION == '1.0.0'\n")
    for extra in ([], ["-n2"], []):
        run(pytester, empty, *extra).assert_outcomes(passed=1)
    module = empty / ".x07" / "deps" / "greet" / "1.0.0" / "modules" / "greet.py"
    module.write_text('VERSION = "evil"\n')
    refused = run(pytester, empty)
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["*X07PKG_TAMPERED*", "*x07 pkg sync*"])


def test_a_missing_distribution_is_named_with_the_command(
    pytester: pytest.Pytester, empty: Path, packages: Packages
) -> None:
    folder = packages.make("greet", "1.0.0", requires_dists=["no-such-distribution>=1"])
    add(empty, folder)
    (empty / "test_greet.py").write_text("def test_nothing(): pass\n")
    refused = run(pytester, empty)
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["*X07PKG_DIST_MISSING*", "*python -m pip install 'no-such-distribution>=1'*"])


def test_a_world_refuses_packages_that_do_not_allow_it(
    pytester: pytest.Pytester, empty: Path, packages: Packages
) -> None:
    add(empty, packages.make("greet", "1.0.0"))
    (empty / "test_inside.py").write_text("""
import pytest

@pytest.mark.x07(world="solve-rr")
def test_refused(x07_broker):
    import greet

@pytest.mark.x07(world="run-os")
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
    address = (2).to_bytes(2, "little") + (9).to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
    assert libc.connect(number, address, 16) == -1
    libc.close(number)
    return ctypes.get_errno()

REFUSED, UNREACHABLE = 111, 101

@pytest.mark.x07("c.x07rr.bin")
def test_replayed():
    assert connect() == {replayed}

def test_outside():
    assert connect() == REFUSED
"""


def test_native_code_of_a_replaying_test_meets_the_kernel(pytester: pytest.Pytester) -> None:
    refusal = can_step_out()
    expected = "REFUSED" if refusal else "UNREACHABLE"
    pytester.makepyfile(RAW.format(replayed=expected))
    (pytester.path / ".x07_rr").mkdir()
    (pytester.path / ".x07_rr/c.x07rr.bin").write_bytes(b"")
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
