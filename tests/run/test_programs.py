"""Programs that people run: what x07 learned of one allows it, and in the sandbox it prints what it printed before.

They need an environment of their own and take a minute: `make programs`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.campaign import CAMPAIGN
from tests.support.project import REPOSITORY

PYTHON = REPOSITORY / ".venv/programs/bin/python"
ASKS = """
def ask(port):
    for _ in range(200):
        try: return urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read()
        except OSError: time.sleep(0.1)
"""
PROGRAMS = {
    "gunicorn with two workers": ASKS
    + """
import socket, subprocess, sys, time, urllib.request
open(sys.argv[1] + "/web.py", "w").write("def app(environ, start): start('200 OK', []); return [b'hello']")
with socket.socket() as free: free.bind(("127.0.0.1", 0)); port = free.getsockname()[1]
command = [sys.executable, "-m", "gunicorn", "--workers=2", f"--bind=127.0.0.1:{port}", "--log-level=error", "web:app"]
with subprocess.Popen(command, cwd=sys.argv[1]) as server: print(ask(port)); server.terminate()
print(server.returncode)""",
    "uvicorn": ASKS
    + """
import threading, time, urllib.request, uvicorn
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
thread = threading.Thread(target=server.run); thread.start()
while not server.started: time.sleep(0.05)
print(ask(server.servers[0].sockets[0].getsockname()[1])); server.should_exit = True; thread.join()""",
    "aiohttp": """
import asyncio
from aiohttp import ClientSession, web
async def greet(_): return web.Response(text="hello")
async def main():
    app = web.Application(); app.router.add_get("/", greet)
    runner = web.AppRunner(app); await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with ClientSession() as session, session.get(f"http://127.0.0.1:{runner.addresses[0][1]}/") as got:
        print(await got.text())
    await runner.cleanup()
asyncio.run(main())""",
    "Celery with two processes": """
import os, signal, sys, threading
from celery import Celery
place = sys.argv[1]
folders = {f"{name}_folder": f"{place}/{name}" for name in ("processed", "control")}
folders |= dict.fromkeys(("data_folder_in", "data_folder_out"), f"{place}/queue")
for folder in {*folders.values(), f"{place}/results"}: os.makedirs(folder, exist_ok=True)
app = Celery("main", broker="filesystem://", backend=f"file://{place}/results", broker_transport_options=folders)
@app.task(name="add")
def add(a, b): return a + b, os.getpid()
if __name__ == "__main__":
    asked = add.delay(2, 3)
    def end():
        try: total, process = asked.get(timeout=60); print(total, process != os.getpid(), flush=True)
        finally: os.kill(os.getpid(), signal.SIGTERM)
    threading.Thread(target=end, daemon=True).start()
    sys.stderr = open(os.devnull, "w")
    app.worker_main(["--quiet", "worker", "--pool=prefork", "--concurrency=2", "--loglevel=CRITICAL"])""",
    "a notebook": """
import warnings; warnings.simplefilter("ignore")
import nbclient, nbformat
cells = [nbformat.v4.new_code_cell(text) for text in ("x = 6 * 7; print(x)", "x + 1", "!echo shell")]
book = nbformat.v4.new_notebook(cells=cells)
nbclient.NotebookClient(book, timeout=60, kernel_name="python3").execute()
for cell in book.cells:
    for one in cell.outputs: print(one.get("text") or one["data"]["text/plain"])""",
    "headless Chromium": """
import subprocess, sys
page = "data:text/html,<script>document.write(6 * 7)</script>"
command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page]
print("42" in subprocess.run(command, capture_output=True, text=True, timeout=100).stdout)""",
    "node": """
import subprocess
serve = "const s = require('http').createServer((_, to) => to.end('hello')).listen(0, '127.0.0.1', () => "
ask = "require('http').get({port: s.address().port}, to => to.on('data', text => (console.log('' + text), s.close()))))"
print(subprocess.run(["node", "-e", serve + ask], capture_output=True, text=True, timeout=60))""",
    "http.server": ASKS
    + """
import re, subprocess, sys, time, urllib.request
command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", sys.argv[1]]
with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
    print(b"Directory listing" in ask(re.search(r"port (\\d+)", server.stdout.readline())[1])); server.terminate()""",
    "pip": """
import subprocess, sys
for words in (["--version"], ["list", "--format=json"], ["check"]):
    print(subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True).stdout[:200])""",
    "git": """
import subprocess, sys
place = sys.argv[1] + "/repository"
git = ["git", "-C", place, "-c", "user.name=a", "-c", "user.email=a@b.c"]
subprocess.run(["git", "init", "--quiet", place])
for words in (["commit", "--quiet", "--allow-empty", "--message=first"], ["log", "--format=%s"], ["status", "--short"]):
    print(subprocess.run([*git, *words], capture_output=True, text=True))""",
    "a database in a file": """
import sqlite3, sys
base = sqlite3.connect(sys.argv[1] + "/base.db")
for words in ("pragma journal_mode=wal", "create table t(a)", "insert into t values (1)"): base.execute(words)
base.commit(); print(base.execute("select min(a) from t").fetchall())""",
    "a shell": """
import subprocess
words = "for n in 1 2; do echo $n; done | sort -r; date -u -d @0 +%Y"
print(subprocess.run(words, shell=True, capture_output=True))""",
}
GO = """
package main

import ("fmt"; "io"; "net"; "net/http")

func main() {
	listener, failed := net.Listen("tcp", "127.0.0.1:0")
	if failed != nil { panic(failed) }
	go http.Serve(listener, http.HandlerFunc(func(to http.ResponseWriter, _ *http.Request) { fmt.Fprint(to, "hello") }))
	got, failed := http.Get("http://" + listener.Addr().String())
	if failed != nil { panic(failed) }
	text, _ := io.ReadAll(got.Body)
	fmt.Println(string(text))
}
"""
NEEDS = {"headless Chromium": "chromium", "node": "node", "git": "git"}

pytestmark = pytest.mark.skipif(not CAMPAIGN, reason="make programs")


def sandboxed(place: Path, *options: str) -> subprocess.CompletedProcess[str]:
    words = [str(PYTHON), "-m", "x07py", "run", "--profile", "sandbox", *options, "--", str(place / "own")]
    env = os.environ | {"PATH": f"{PYTHON.parent}:{os.environ['PATH']}"}
    return subprocess.run(words, cwd=place, env=env, capture_output=True, text=True, check=False, timeout=200)


def learned_then_confined(place: Path, program: str) -> str:
    """Return what a program prints in the sandbox, which has to be what it printed while x07 learned of it."""
    (place / "own").mkdir(exist_ok=True)
    (place / "x07.toml").write_text('entry = "main.py"\n')
    (place / "main.py").write_text(program)
    learned = sandboxed(place, "--learn", "policy.json")
    assert learned.returncode == 0, learned.stderr
    shutil.rmtree(place / "own")
    (place / "own").mkdir()
    confined = sandboxed(place, "--policy", "policy.json", "--allow-write", "own")
    assert (confined.returncode, confined.stdout) == (0, learned.stdout), confined.stderr
    return confined.stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_runs_by_what_was_learned_of_it(tmp_path: Path, name: str) -> None:
    needed = NEEDS.get(name)
    assert needed is None or shutil.which(needed), f"{name} needs {needed}"
    shown = learned_then_confined(tmp_path, PROGRAMS[name])
    assert shown.strip()
    assert not any(word in shown for word in ("None", "rror", "refused", "False")), shown


def test_a_program_in_go(tmp_path: Path) -> None:
    (tmp_path / "main.go").write_text(GO)
    subprocess.run(["go", "build", "-o", "program", "main.go"], cwd=tmp_path, check=True)
    assert learned_then_confined(tmp_path, "import subprocess; subprocess.run(['./program'])") == "hello\n"
