"""A short run of each fuzz target, from valid examples; ``make fuzz`` runs them longer."""

from __future__ import annotations

import gzip
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cramjam
import pytest
from crc32c import crc32c
from pamqp import commands
from pamqp.heartbeat import Heartbeat

from tests.cli.test_printing import EVIL
from tests.msg.test_envelope import EVENTS
from tests.msg.test_record import ENV
from tests.rr.builders import config, entry, framed
from tests.support.project import REPOSITORY
from x07py import Envelope
from x07py.msg import datamodel
from x07py.rr import Mode
from x07py.wire.amqp.frames import marshal
from x07py.wire.amqp.values import frames_of
from x07py.wire.kafka.batches import Record, read_batches, write_batch
from x07py.wire.kafka.membership import assignment_of

RUNS = 5_000


def compressed_batch(codec: int) -> bytes:
    """Return a batch that is compressed, by Kafka's number of the codec; it unpacks to far more than it has."""
    plain = write_batch([Record(3, 1_700_000_000_000, b"key", b"v" * 1000, [])])
    by_codec: dict[int, Any] = {
        1: gzip.compress,
        2: cramjam.snappy.compress_raw,
        3: cramjam.lz4.compress,
        4: cramjam.zstd.compress,
    }
    body = struct.pack(">h", codec) + plain[23:61] + bytes(by_codec[codec](plain[61:]))
    return plain[:8] + struct.pack(">i", len(body) + 9) + plain[12:17] + struct.pack(">I", crc32c(body)) + body


SEEDS: dict[str, list[bytes]] = {
    "envelope": [EVENTS, Envelope("t", b"", b"", {}).encode()],
    "record": [ENV],
    "document": [datamodel.encode({b"a": [b"b", datamodel.Number(b"1"), None, True, {}]})],
    "cassette": [framed(entry(0), entry(1, scope="s", meta='{"a":1}', latency_ticks=3)), b""],
    "config": [config(Mode.REPLAY).encode()],
    "amqp_frames": [
        b"AMQP\x00\x00\x09\x01" + b"".join(marshal(0, commands.Connection.TuneOk(), Heartbeat())),
        b"".join(
            marshal(1, commands.Basic.Publish(routing_key="q"), *frames_of(commands.Basic.Properties(), b"body", 4096))
        ),
    ],
    "kafka_request": [
        bytes.fromhex("00030001000000070004746573740000000100066f7264657273"),
        bytes.fromhex("00120003000000070004746573740002610262 00".replace(" ", "")),
    ],
    "kafka_batches": [
        write_batch([Record(3, 1_700_000_000_000, b"key", b"value", [("name", None)])]),
        *map(compressed_batch, (1, 2, 3, 4)),
    ],
    "printer": [EVIL.encode(), b"##[error]\n::error::\xff\xe2\x80\xae"],
    "shown_cassette": [framed(entry(0, op=EVIL, key=EVIL, scope=EVIL, req=EVENTS), entry(1, meta='{"a":{"b":1}}'))],
    "kafka_membership": [b"a" + assignment_of({"orders": [0, 2]}), b"s" + assignment_of({"orders": []})],
}


@pytest.mark.parametrize("name", SEEDS)
def test_a_short_run(tmp_path: Path, name: str) -> None:
    for number, seed in enumerate(SEEDS[name]):
        (tmp_path / str(number)).write_bytes(seed)
    runs = {"shown_cassette": 1000, "printer": 2000}.get(name, RUNS)
    # the peak that libFuzzer looks at begins with that of the process that started it: all that pytest holds; what the
    # target may have of its own, `MOST_MEMORY`, it is held to by the kernel
    limits = ["-timeout=30", "-rss_limit_mb=2048"]
    command = [sys.executable, "-m", "tests.fuzz.target", name, f"-runs={runs}", "-seed=7", "-max_len=2000", *limits]
    done = subprocess.run([*command, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^Done {runs} runs", done.stderr, re.MULTILINE), done.stderr[-2000:]
    covered = re.findall(r"cov: (\d+)", done.stderr)
    assert int(covered[-1]) > 10


BOMBS: dict[str, tuple[int, Callable[[], bytes]]] = {
    "zstd": (4, lambda: bytes(cramjam.zstd.compress(b"\0" * 2**29))),
    "lz4": (3, lambda: bytes(cramjam.lz4.compress(b"\0" * 2**27))),
    "gzip": (1, lambda: gzip.compress(b"\0" * 2**27)),
    "snappy that claims": (2, lambda: b"\x80\x80\x80\x18" + b"\xfe\x01\x00" * 100),
}
HELD = """
import resource, sys
from x07py.errors import DriverError
from x07py.wire.kafka.codecs import unpack
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    print(len(unpack(int(sys.argv[1]), sys.stdin.buffer.read())))
except DriverError as error:
    print(error.code)
"""


@pytest.mark.parametrize("kind", BOMBS)
def test_what_unpacks_to_more_than_memory_is_refused(kind: str) -> None:
    codec, packed = BOMBS[kind]
    command = [sys.executable, "-c", HELD, str(codec), str(200 * 2**20)]
    done = subprocess.run(command, cwd=REPOSITORY, input=packed(), capture_output=True, check=False)
    assert done.stdout.split() == [b"9650"], done.stderr.decode()


def test_compressed_seeds_are_batches() -> None:
    for codec in (1, 2, 3, 4):
        (batch,) = read_batches(compressed_batch(codec))
        assert batch.records[0].value == b"v" * 1000
