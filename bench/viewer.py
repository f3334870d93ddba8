"""The viewer's page of 38,000 entries in a headless Chromium: frames while it scrolls, clicks, searches, long tasks."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.measure import table, write
from x07py import Envelope
from x07py.msg import MessageRecord
from x07py.rr import Cassette, Entry

ENTRIES = 38_000
TIMEOUT_S = 180
PROBE = """
(async () => {
  while (!document.body.dataset.ready) await new Promise(next => setTimeout(next, 5));
  const open = [performance.now()];
  const frame = () => new Promise(requestAnimationFrame);
  const shown = async () => { await frame(); await new Promise(done => { const c = new MessageChannel();
    c.port1.onmessage = done; c.port2.postMessage(0); }); };
  const long = [];
  new PerformanceObserver(all => long.push(...all.getEntries().map(one => one.duration))).observe({ type: "longtask" });
  const timed = async act => {
    const from = performance.now();
    await act(); await shown();
    return performance.now() - from;
  };
  const moved = async tops => {
    const found = [];
    let before = await frame();
    for (const top of tops) { list.scrollTop = top; const now = await frame(); found.push(now - before); before = now; }
    return found;
  };
  for (let n = 0; n < 30; n++) await frame();
  long.length = 0;
  const far = list.scrollHeight, result = { open };
  result.scroll = await moved(Array.from({ length: 400 }, (_, n) => n * 480));
  result.jump = await moved(Array.from({ length: 100 }, (_, n) => (n * 7919 * 24) % far));
  result.click = [];
  for (let n = 0; n < 50; n++) {
    list.scrollTop = (n * 4801 * 24) % far;
    await shown();
    const rows = document.querySelectorAll(".row");
    result.click.push(await timed(() => rows[n % rows.length].click()));
  }
  result.search = [];
  for (const words of ["k", "k7", "k77", "k777", "topic1 k7", ""])
    result.search.push(await timed(async () => {
      const before = document.body.dataset.shown;
      search.value = words; search.dispatchEvent(new Event("input"));
      while (document.body.dataset.shown === before) await new Promise(next => setTimeout(next, 1));
    }));
  await new Promise(done => setTimeout(done, 100));
  result.long = long;
  await fetch("/result", { method: "POST", body: JSON.stringify(result) });
})();
"""


def main() -> None:
    """Measure, print and write the results."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(make_page(Path(folder)), Path(folder))
    rows = [
        [name, len(found[key]), *(f"{quantile(found[key], part):.0f}" for part in (0.5, 0.99, 1))]
        for name, key in (
            ("opening, until the first entry is shown", "open"),
            ("a frame while scrolling, 20 rows each", "scroll"),
            ("a frame while jumping anywhere", "jump"),
            ("a click on a row, until it is painted", "click"),
            ("a search, until it is painted", "search"),
        )
    ]
    tasks = found["long"]
    rows.append(["tasks of 50 ms or more, in all of it", len(tasks), *(f"{max(tasks, default=0):.0f}",) * 3])
    body = table([f"{ENTRIES:,} entries", "count", "p50, ms", "p99, ms", "most, ms"], rows)
    results = {str(name): dict(zip(("count", "p50", "p99", "most"), numbers, strict=True)) for name, *numbers in rows}
    write("viewer", "make bench-viewer", ["x07py"], results, body)


def make_page(folder: Path) -> str:
    """Return the page of a cassette of `ENTRIES` publishes, as text."""
    entries = []
    for n in range(ENTRIES):
        envelope = Envelope(f"topic{n % 8}", b"k%d" % n, b'{"id":%d,"text":"%s"}' % (n, b"x" * 200), {"ce_id": str(n)})
        record = MessageRecord(1, 1, "p", envelope.encode(), 1, b"OK")
        entries.append(Entry("rr", "std.msg.kafka.publish_env_v1", "p", envelope.encode(), record.encode()))
    (folder / "big.x07rr.bin").write_bytes(Cassette.from_entries(entries).to_bytes())
    x07 = str(Path(sys.executable).with_name("x07"))
    subprocess.run([x07, "rr", "view", "big.x07rr.bin"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    page = (folder / "big.html").read_text(encoding="utf-8")
    print(f"cassette {(folder / 'big.x07rr.bin').stat().st_size:,} bytes, page {len(page.encode()):,} bytes")
    digest = base64.b64encode(hashlib.sha256(PROBE.encode()).digest()).decode()
    allowed = f"connect-src 'self'; script-src 'sha256-{digest}' "
    return page.replace("script-src ", allowed, 1).replace("</body>", f"<script>{PROBE}</script></body>")


def measure(page: str, folder: Path) -> dict[str, list[float]]:
    """Open the page in Chromium, served on loopback, and return the milliseconds that it measured."""
    came = threading.Event()
    found: dict[str, list[float]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page.encode())

        def do_POST(self) -> None:
            found.update(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()
            came.set()

        def log_message(self, *_: Any) -> None:
            """Say nothing of each request."""

    browser = shutil.which("chromium")
    assert browser, "run `make chromium`"
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
        url = f"http://127.0.0.1:{server.server_port}/"
        command = [browser, *options, "--window-size=1200,800", "--remote-debugging-port=0", url]
        running = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            assert came.wait(TIMEOUT_S), "the page sent no result"
        finally:
            running.terminate()
            running.wait(30)
            server.shutdown()
    return found


def quantile(found: list[float], part: float) -> float:
    """Return the value below which a part of all lies."""
    return sorted(found)[min(len(found) - 1, int(part * len(found)))]


if __name__ == "__main__":
    main()
