"""Locking a generated graph: x07 pkg against uv and pip, all served by one process from memory on loopback.

Every package has three versions and needs up to three later ones, so that all are in the solution. Each tool resolves
the same graph; uv and pip get wheel metadata apart from the wheels, as PyPI serves it.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.measure import table, write
from x07py.pkg.layout import ENTRY_SCHEMA, page_path

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

SIZES = (50, 500, 5000)
VERSIONS = ("1.0.0", "1.1.0", "1.2.0")
ROUNDS = {50: 5, 500: 5, 5000: 3}
PIP_LIMIT_S = 120
BIN = Path(sys.executable).parent
Needs = dict[str, list[str]]


def graph(size: int) -> Needs:
    """Return what each package needs: the next one, and two of the thirty after it."""
    rng = random.Random(size)
    needs = {}
    for place in range(size):
        later = range(place + 2, min(place + 32, size))
        chosen = [place + 1, *rng.sample(later, min(2, len(later)))] if place + 1 < size else []
        needs[f"pack-{place:04}"] = [f"pack-{one:04}" for one in chosen]
    return needs


def pages(needs: Needs) -> dict[str, tuple[str, bytes]]:
    """Return every path of both indexes with its content type and body."""
    found: dict[str, tuple[str, bytes]] = {"/x07/config.json": ("application/json", b'{"dl": "dl/"}')}
    for name, others in needs.items():
        rows, files = [], []
        for version in VERSIONS:
            manifest = {
                "schema_version": "x07.package@0.1.0",
                "name": name,
                "version": version,
                "module_root": "modules",
                "modules": [name.replace("-", "_")],
                "meta": {"worlds_allowed": ["run-os"], "requires_packages": [f"{one}@>=1.0,<2.0" for one in others]},
            }
            digest = hashlib.sha256(f"{name} {version}".encode()).hexdigest()
            held = {"x07-package.json": digest, f"modules/{name.replace('-', '_')}.py": digest}
            rows.append({"schema_version": ENTRY_SCHEMA, "cksum": digest, "files": held, "package": manifest})
            metadata, wheel = _wheel(name, version, others)
            file = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
            found[f"/files/{file}"] = ("application/octet-stream", wheel)
            found[f"/files/{file}.metadata"] = ("text/plain", metadata)
            hashes = {"sha256": hashlib.sha256(metadata).hexdigest()}
            own = {"sha256": hashlib.sha256(wheel).hexdigest()}
            files.append({"filename": file, "url": f"/files/{file}", "hashes": own, "core-metadata": hashes})
        simple = {"meta": {"api-version": "1.1"}, "name": name, "versions": list(VERSIONS), "files": files}
        found[f"/simple/{name}/"] = ("application/vnd.pypi.simple.v1+json", json.dumps(simple).encode())
        found["/x07/" + page_path(name)] = ("text/plain", "\n".join(json.dumps(row) for row in rows).encode())
    return found


def _wheel(name: str, version: str, others: list[str]) -> tuple[bytes, bytes]:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {one}>=1.0,<2.0" for one in others]
    metadata = ("\n".join(lines) + "\n").encode()
    stem = f"{name.replace('-', '_')}-{version}.dist-info"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr(f"{stem}/METADATA", metadata)
        file.writestr(
            f"{stem}/WHEEL", "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{stem}/RECORD", f"{stem}/METADATA,,\n{stem}/WHEEL,,\n{stem}/RECORD,,\n")
    return metadata, out.getvalue()


class _Web(asyncio.Protocol):
    """HTTP/1.1 from memory: GET with keep-alive and ETags, and nothing else."""

    found: dict[str, tuple[str, bytes]]

    def connection_made(self, transport: Any) -> None:
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            kind, body = self.found.get(path, ("text/plain", None))
            if body is None:
                self.transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                continue
            etag = f'"{len(body)}-{hash(body) & 0xFFFFFFFF:x}"'
            if etag.encode() in head:
                self.transport.write(f"HTTP/1.1 304 Not Modified\r\nETag: {etag}\r\n\r\n".encode())
                continue
            lines = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nETag: {etag}\r\nContent-Length: {len(body)}\r\n\r\n"
            self.transport.write(lines.encode() + body)


def serve(needs: Needs, ready: Connection) -> None:
    """Serve the graph until the process is ended."""

    async def run() -> None:
        _Web.found = pages(needs)
        server = await asyncio.get_running_loop().create_server(_Web, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


class Bench:
    """One graph, one server, and a project a tool."""

    def __init__(self, folder: Path, port: int, needs: Needs) -> None:
        self.folder, self.url, self.roots = folder, f"http://127.0.0.1:{port}", list(needs)[:1]
        self.environment = {
            **os.environ,
            "X07_CACHE_DIR": str(folder / "x07-cache"),
            "UV_CACHE_DIR": str(folder / "uv-cache"),
            "UV_PYTHON_DOWNLOADS": "never",
            "PIP_CACHE_DIR": str(folder / "pip-cache"),
        }

    def projects(self) -> None:
        """Make the projects anew, without locks."""
        quoted = "\n".join(f'{name} = ">=1.0"' for name in self.roots)
        listed = ", ".join(f'"{name}>=1.0"' for name in self.roots)
        texts = {
            "x07": f'[tool.x07.index]\nurl = "{self.url}/x07/"\n[tool.x07.dependencies]\n{quoted}\n',
            "uv": f'[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = [{listed}]\n'
            f'[[tool.uv.index]]\nurl = "{self.url}/simple/"\ndefault = true\n',
        }
        for name, text in texts.items():
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir()
            (self.folder / name / "pyproject.toml").write_text(text, encoding="utf-8")

    def forget(self) -> None:
        """Empty every cache."""
        for name in ("x07-cache", "uv-cache", "pip-cache"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def run(self, tool: str, *command: str) -> float:
        """Run a command in a tool's project; return its seconds."""
        started = time.perf_counter()
        subprocess.run(command, cwd=self.folder / tool, env=self.environment, check=True, capture_output=True)
        return time.perf_counter() - started

    def pip(self) -> float | None:
        """Return the seconds of one dry run of pip, None if it takes longer than the limit."""
        command = [str(BIN / "python"), "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
        command += ["--disable-pip-version-check", "--index-url", f"{self.url}/simple/", *self.roots]
        started = time.perf_counter()
        try:
            subprocess.run(command, env=self.environment, check=True, capture_output=True, timeout=PIP_LIMIT_S)
        except subprocess.TimeoutExpired:
            return None
        return time.perf_counter() - started


def measure(size: int) -> dict[str, Any]:
    """Return the seconds of every step for a graph of `size` packages."""
    needs = graph(size)
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(needs, there), daemon=True)
    server.start()
    x07, uv = str(BIN / "x07"), str(BIN / "uv")
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(Path(place), here.recv(), needs)
        try:
            for _ in range(ROUNDS[size]):
                bench.forget()
                for step, clean in (
                    ("first lock", True),
                    ("cached lock", True),
                    ("lock again", False),
                    ("check", False),
                ):
                    if clean:
                        bench.projects()
                    check = ["--check"] if step == "check" else []
                    seconds.setdefault(f"{step}, x07", []).append(bench.run("x07", x07, "pkg", "lock", *check))
                    seconds.setdefault(f"{step}, uv", []).append(bench.run("uv", uv, "lock", *check))
                seconds.setdefault("python -c pass", []).append(bench.run("x07", str(BIN / "python"), "-c", "pass"))
            locked = (bench.folder / "x07" / "x07.lock").read_text(encoding="utf-8").count("[[package]]")
            uv_locked = (bench.folder / "uv" / "uv.lock").read_text(encoding="utf-8").count("[[package]]") - 1
            if locked != size or uv_locked != size:
                raise RuntimeError(f"{locked} and {uv_locked} packages locked, not {size}")
            pip = bench.pip()
        finally:
            server.terminate()
            server.join()
    return {"size": size, "pip": pip, **{name: median(found) for name, found in seconds.items()}}


def main() -> None:
    """Measure every size and write the results."""
    rows = [measure(size) for size in SIZES]
    shown = []
    for row in rows:
        for step in ("first lock", "cached lock", "lock again", "check"):
            x07, uv = row[f"{step}, x07"], row[f"{step}, uv"]
            shown.append([row["size"], step, f"{x07 * 1000:.0f} ms", f"{uv * 1000:.0f} ms", f"{x07 / uv:.2f}"])
        pip = f"more than {PIP_LIMIT_S} s" if row["pip"] is None else f"{row['pip'] * 1000:.0f} ms"
        shown.append([row["size"], "pip install --dry-run", "", pip, ""])
        shown.append([row["size"], "python -c pass", f"{row['python -c pass'] * 1000:.0f} ms", "", ""])
    text = table(("packages", "step", "x07 pkg", "uv (or pip)", "x07 / uv"), shown)
    write("pkg", "make bench-pkg", ("x07py", "uv", "pip"), {"rows": rows}, text)


if __name__ == "__main__":
    main()
