"""Replaying cassettes of 500, 2,000 and 100,000 interactions: x07py against cassetter and vcrpy.

x07py's cassette is recorded from the embedded Kafka: half publishes, half deliveries of 200-byte messages. The
peers' are GETs of as many 200-byte bodies from a server in the same process, since neither knows a broker. Every
replay runs in a process of its own, asserts how many answers it got, and tells its seconds and memory. The peers are
left out at 100,000: vcrpy takes time quadratic in the size, and cassetter had not recorded as many after ten minutes.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.measure import peak_kib, reset_peak, table, write

SIZES = (500, 2_000, 100_000)
PEERS_MOST = 2_000
ROUNDS = 3
SLOW_ROUNDS = 1
BATCH = 500
CASSETTE = "bench.x07rr.bin"
CONTRACTS = Path(__file__).parents[1] / "docs" / "examples" / "flight_delays" / "arch"


async def _program(count: int, topic: str) -> int:
    """Publish half of `count` and consume it again; return how many operations had an answer."""
    from x07py import Envelope, open_driver

    half = count // 2
    done = 0
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        for start in range(0, half, BATCH):
            numbers = range(start, min(start + BATCH, half))
            batch = [Envelope(topic, b"k%d" % (n % 64), b"%0200d" % n, {"ce_id": str(n)}) for n in numbers]
            done += len(await driver.publish_many(batch))
        async for deliveries in driver.consume([topic], group=topic):
            done += len(deliveries)
            if done >= count:
                break
    return done


def x07_record(folder: Path, count: int) -> None:
    """Record `count` interactions with the embedded Kafka."""
    from x07py.brokers.embedded import EmbeddedKafka
    from x07py.rr import session

    shutil.copytree(CONTRACTS, folder / "arch")
    os.chdir(folder)
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    (folder / "topic").write_text(topic)
    with EmbeddedKafka([topic]) as kafka, session(cassette=CASSETTE, mode="record"):
        os.environ["X07_KAFKA_LOCAL_DEV_V1"] = kafka.bootstrap
        assert asyncio.run(_program(count, topic)) == count


def x07_replay(folder: Path, count: int) -> dict[str, float]:
    """Replay in this process: seconds to open, to replay, and memory above what was resident before, in KiB."""
    import x07py.drivers.open
    import x07py.drivers.replay  # noqa: F401  imported before memory is counted
    from x07py.rr import session

    os.chdir(folder)
    os.environ["X07_WORLD"] = "solve-rr"
    before = reset_peak()
    started = time.perf_counter()
    with session(cassette=CASSETTE, mode="replay"):
        opened = time.perf_counter()
        assert asyncio.run(_program(count, (folder / "topic").read_text())) == count
        ended = time.perf_counter()
    size = (folder / ".x07_rr" / CASSETTE).stat().st_size
    return {"open": opened - started, "replay": ended - opened, "kib": peak_kib() - before, "file_kib": size / 1024}


class _Server:
    """An HTTP server on loopback that answers ``/N`` with 200 bytes."""

    class _Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer; two wait 40 ms for each other

        def do_GET(self) -> None:
            body = self.path.encode().rjust(200, b"0")
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    def __enter__(self) -> str:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()


def _fetch(base: str, count: int) -> None:
    import requests

    with requests.Session() as client:
        for number in range(count):
            assert len(client.get(f"{base}/{number}").content) == 200


def _peer(name: str, folder: Path, *, record: bool) -> Any:
    """Return the context manager that records or replays with a peer."""
    path = str(folder / "peer.json") if name == "vcrpy" else str(folder / "peer.yaml")
    if name == "vcrpy":
        import vcr

        return vcr.VCR(serializer="json", record_mode="once" if record else "none").use_cassette(path)
    import cassetter

    return cassetter.use_cassette(path, record_mode="once" if record else "none")


def peer_record(name: str, folder: Path, count: int) -> None:
    """Record `count` GETs with a peer."""
    with _Server() as base, _peer(name, folder, record=True):
        (folder / "base").write_text(base)
        _fetch(base, count)


def peer_replay(name: str, folder: Path, count: int) -> dict[str, float]:
    """Replay in this process, as `x07_replay`; both peers open their file when the block begins."""
    base = (folder / "base").read_text()
    import requests  # noqa: F401  imported before memory is counted

    manager = _peer(name, folder, record=False)
    before = reset_peak()
    started = time.perf_counter()
    with manager:
        opened = time.perf_counter()
        _fetch(base, count)
        ended = time.perf_counter()
    size = max(path.stat().st_size for path in folder.iterdir())
    return {"open": opened - started, "replay": ended - opened, "kib": peak_kib() - before, "file_kib": size / 1024}


def _step(*args: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-m", "bench.replay", *args], stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout or b"{}")
    return found


def _measure(name: str, count: int) -> dict[str, float]:
    """Record once, replay several times, and return medians."""
    with tempfile.TemporaryDirectory() as folder:
        _step("record", name, folder, str(count))
        rounds = ROUNDS if name == "x07py" or count == SIZES[0] else SLOW_ROUNDS
        runs = [_step("replay", name, folder, str(count)) for _ in range(rounds)]
    return {field: statistics.median(run[field] for run in runs) for field in runs[0]}


def main() -> None:
    """Measure, print and write the results."""
    results: dict[str, Any] = {}
    rows = []
    for count in SIZES:
        peers = ["x07py", *(["cassetter", "vcrpy"] if count <= PEERS_MOST else [])]
        found = {name: _measure(name, count) for name in peers}
        results[str(count)] = found
        for name, one in found.items():
            ratio = one["replay"] / found["x07py"]["replay"]
            per_entry, memory = 1e6 * one["replay"] / count, one["kib"] / one["file_kib"]
            rate = f"{count / one['replay']:,.0f}"
            rows.append(
                [f"{count:,}", name, rate, f"{per_entry:.1f}", f"{ratio:.0f}", f"{one['open']:.3f}", f"{memory:.2f}"]
            )
    headings = [
        "entries",
        "",
        "entries a second",
        "µs an entry",
        "time, to x07py's",
        "seconds to open",
        "memory, to the file's",
    ]
    write("replay", "make bench-replay", ["x07py", "cassetter", "vcrpy", "requests"], results, table(headings, rows))


def step(action: str, name: str, folder: str, count: str) -> None:
    """Carry out one step in this process and print its result."""
    place, number = Path(folder), int(count)
    if action == "record":
        x07_record(place, number) if name == "x07py" else peer_record(name, place, number)
        return
    print(json.dumps(x07_replay(place, number) if name == "x07py" else peer_replay(name, place, number)))


if __name__ == "__main__":
    step(*sys.argv[1:]) if len(sys.argv) > 1 else main()
