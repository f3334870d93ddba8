"""The guide's story in fresh environments: x07py alone, by pip and by uv, with a folder of wheels beside PyPI."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import MappingProxyType

import pytest

from tests.support.campaign import CAMPAIGN
from tests.support.installed import wheel
from tests.support.live import SKIP
from tests.support.project import EXAMPLE, REPOSITORY

MANAGERS = ["uv", "pip"] if CAMPAIGN else ["uv"]
"""Pip takes a minute; `make packages` has it too."""
pytestmark = pytest.mark.skipif(SKIP, reason="needs a package index")
TOOLS = Path(sys.executable).parent
OPEN = """
import asyncio
from x07py import open_driver
async def main():
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        print("opened", driver.kind)
asyncio.run(main())
"""
HEAD = '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["x07py"] # mine\n'
CONTRACT = ("run", "--profile", "sandbox", "--allow-contract", "kafka:local_dev_v1", "--explain")


NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Environment:
    """A project, and an environment of its own that holds x07py and what x07py requires."""

    root: Path
    bin: Path
    variables: Mapping[str, str]

    def run(self, *command: str, code: int = 0, env: Mapping[str, str] = NOTHING) -> str:
        """Run a program of the environment; return all that it said."""
        done = subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.root,
            env={**self.variables, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == code, (command, done.stdout)
        return done.stdout

    def pkg(self, *args: str, code: int = 0, env: Mapping[str, str] = NOTHING) -> str:
        return self.run("x07", "pkg", *args, code=code, env=env)

    def imports(self, module: str) -> bool:
        return "yes" in self.run(
            "python", "-c", f"import importlib.util as u; print(u.find_spec('{module}') and 'yes')"
        )


def outside(*command: str, cwd: Path, env: Mapping[str, str]) -> None:
    """Run a program of this environment, which makes others."""
    done = subprocess.run(
        [str(TOOLS / command[0]), *command[1:]],
        cwd=cwd,
        env=dict(env),
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels of x07py and of a package."""
    folder = tmp_path_factory.mktemp("wheels")
    outside("python", "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=REPOSITORY, env=os.environ)
    wheel(folder, "x07-greeting", "1.0.0", capabilities=["text.greet"], requires_packages=["ext-msg-core@>=0.2,<0.3"])
    wheel(folder, "x07-greeting", "1.1.0", capabilities=["text.greet"])
    return folder


def environment(tmp_path: Path, wheels: Path, manager: str) -> Environment:
    hidden = ("VIRTUAL_ENV", "PYTHONPATH", "X07_OFFLINE", "X07_WORLD", "PIP_FIND_LINKS", "PYTHONHOME")
    variables = {name: value for name, value in os.environ.items() if name not in hidden}
    place = tmp_path / ".venv"
    variables |= {
        "PIP_FIND_LINKS": str(wheels),
        "UV_FIND_LINKS": str(wheels),
        "PATH": f"{place / 'bin'}:{TOOLS}:{os.environ['PATH']}",
        "COLUMNS": "200",
        "UV_PROJECT_ENVIRONMENT": str(place),
        "VIRTUAL_ENV": str(place),
    }
    text = HEAD + ("\n[tool.uv]\nmanaged = true\n" if manager == "uv" else "")
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    (tmp_path / "shop.py").write_text(OPEN, encoding="utf-8")
    shutil.copytree(EXAMPLE / "arch", tmp_path / "arch")
    if manager == "uv":
        outside("uv", "sync", "--python", sys.executable, cwd=tmp_path, env=variables)
    else:
        outside("uv", "venv", "--seed", "--python", sys.executable, str(place), cwd=tmp_path, env=variables)
        outside("uv", "pip", "install", "x07py", cwd=tmp_path, env=variables)
    return Environment(tmp_path, place / "bin", variables)


@pytest.mark.parametrize("manager", MANAGERS)
def test_the_story(manager: str, tmp_path: Path, wheels: Path) -> None:
    here = environment(tmp_path, wheels, manager)
    assert "needs the distribution 'confluent_kafka'" in here.run("python", "shop.py", code=1)
    spec = {row["name"]: row["spec"] for row in json.loads(here.pkg("list", "--format", "json"))["result"]["packages"]}
    assert spec["ext-msg-kafka-c"] == "ext-msg-kafka-c@0.2.0"

    said = here.pkg("add", spec["ext-msg-kafka-c"], "--sync")
    assert "+ ext-msg-core 0.2.0 (transitive)\n+ ext-msg-kafka-c 0.2.0" in said
    assert "confluent-kafka" in here.pkg("tree")
    assert here.run("python", "shop.py") == "opened kafka\n"
    assert "127.0.0.1:9092" in here.run("x07", *CONTRACT, "--entry", "shop.py")
    text = (tmp_path / "pyproject.toml").read_text()
    assert 'dependencies = ["x07py[kafka]"] # mine\n' in text

    (tmp_path / "pyproject.toml").write_text(text + 'ext-msg-core = "0.1.4"\n')
    clash = here.pkg("lock", code=20)
    assert "1. your project requires ext-msg-core 0.1.4" in clash
    assert "x07 pkg remove ext-msg-core --sync" in clash
    assert "ext-msg-core 0.2.0 stays" in here.pkg("remove", "ext-msg-core", "--sync")
    assert (tmp_path / "pyproject.toml").read_text() == text
    assert "up to date" in here.pkg("lock", "--check")

    here.pkg("add", "x07-greeting@1.0.0", "--sync")
    assert here.imports("x07_greeting")
    assert "x07-greeting 1.0.0 -> 1.1.0" in here.pkg("update", "x07-greeting@>=1,<2", "--sync")
    assert "ok" in here.pkg("verify")
    here.pkg("remove", "x07-greeting", "--sync")
    assert not here.imports("x07_greeting")

    here.pkg("remove", "ext-msg-kafka-c", "--sync")
    assert not here.imports("confluent_kafka"), "the client goes"
    assert "X07PKG_KIND_UNDECLARED" in here.run("python", "shop.py", code=1), "so does the driver"
    assert "X07PKG_KIND_UNDECLARED" in here.run("x07", *CONTRACT, "--entry", "shop.py", code=126), "and the grant"
    assert 'dependencies = ["x07py"] # mine\n' in (tmp_path / "pyproject.toml").read_text()


@pytest.fixture
def proxy(wheels: Path) -> Iterator[tuple[str, list[str]]]:
    """A proxy, which is all that knows a private index; with the addresses that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            name = self.path.rpartition("/")[2]
            if name:
                body = (wheels / name).read_bytes()
            else:
                files = sorted(wheels.glob("x07_greeting-*.whl"))
                body = "".join(f'<a href="/files/{one.name}">{one.name}</a>\n' for one in files).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream" if name else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_a_proxy_and_a_private_index_are_the_managers(
    tmp_path: Path, wheels: Path, proxy: tuple[str, list[str]]
) -> None:
    here = environment(tmp_path, wheels, "pip")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\n', encoding="utf-8")
    address, asked = proxy
    index = "http://me:secret@packages.example/simple/"
    env = {"PIP_INDEX_URL": index, "PIP_TRUSTED_HOST": "packages.example", "PIP_FIND_LINKS": ""}
    env |= {"http_proxy": address, "HTTP_PROXY": address, "no_proxy": ""}
    said = here.pkg("add", "x07-greeting", "--sync", env=env)
    assert "+ x07-greeting 1.1.0" in said
    assert asked[0] == "http://packages.example/simple/x07-greeting/"
    assert "secret" not in said
