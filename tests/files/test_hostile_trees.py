"""Trees that somebody made to do harm: no command hangs, fills the memory, fails inside, or prints an escape."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.arch.trees import manifest as arch_manifest
from tests.arch.trees import node as arch_node
from tests.cli.test_printing import EVIL, is_plain
from tests.rr.builders import entry, framed
from tests.support.project import EXAMPLE, x07_here
from x07py.contracts.lockfile import LOCK_SCHEMA

SEEDS = int(os.environ.get("X07_FUZZ_TREES", "25"))
"""How many hostile trees are tried; `make fuzz` tries an hour's worth."""
COMMANDS = (
    ("arch", "check"),
    ("arch", "check", "--format", "github"),
    ("pkg", "lock", "--check"),
    ("run", "--profile", "os", "--explain"),
    ("rr", "list"),
    ("rr", "verify", "a.x07rr.bin"),
    ("rr", "show", "a.x07rr.bin"),
    ("asyncapi", "export", "-o", "/dev/null"),
)
LIMIT_S = 1.0
"""Most processor time of a command."""


def project(root: Path) -> None:
    """Make a whole project: contracts, manifest, lock, modules, cassettes."""
    shutil.copytree(EXAMPLE / "arch", root / "arch")
    (root / "app").mkdir()
    (root / "app" / "__init__.py").write_text("import json\n")
    (root / "pyproject.toml").write_text('[project]\nname = "app"\nversion = "0"\n[tool.x07]\nentry = "app"\n')
    (root / "x07.lock").write_text(f'schema_version = "{LOCK_SCHEMA}"\n')
    (root / ".x07_rr").mkdir()
    (root / ".x07_rr" / "a.x07rr.bin").write_bytes(framed(entry()))


def _link(target: str) -> Callable[[Path, random.Random], object]:
    return lambda path, _: path.symlink_to(target)


def _write(data: bytes) -> Callable[[Path, random.Random], object]:
    return lambda path, _: path.write_bytes(data)


def _noise(path: Path, rng: random.Random) -> None:
    path.write_bytes(rng.randbytes(rng.randrange(5000)))


def _huge(path: Path, _: random.Random) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


HARM: dict[str, Callable[[Path, random.Random], object]] = {
    "zero": _link("/dev/zero"),
    "loop": lambda path, _: path.symlink_to(path.name),
    "outside": _link("/etc/passwd"),
    "process": _link("/proc/self/environ"),
    "pipe": lambda path, _: os.mkfifo(path),
    "folder": lambda path, _: path.mkdir(),
    "huge": _huge,
    "noise": _noise,
    "deep list": _write(b"[" * 200_000),
    "deep object": _write(b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    "twice": _write(b'{"a":1,"a":2}'),
    "digits": _write(b'{"a":' + b"9" * 100_000 + b"}"),
    "letters": _write(json.dumps({"schema_version": "x", "x": "a" * 300_000}).encode()),
    "not a number": _write(b'{"a":NaN}'),
    "half": _write(b'{"a":"\\ud800"}'),
    "null": _write(b"null"),
    "deep toml": _write(b"a = " + b"[" * 50_000),
    "dots": _write(b"import " + b"a." * 100_000 + b"b\n"),
    "words": _write(json.dumps({EVIL: EVIL}).encode()),
    "python": _write(b"(" * 100_000),
    "nul": _write(b"a = 1\0\n"),
}


def harmed(root: Path, seed: int) -> str:
    """Put one to three harmful things into a project and return what they are."""
    rng = random.Random(seed)
    project(root)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    done = []
    for path in rng.sample(files, rng.randint(1, 3)):
        name = rng.choice(sorted(HARM))
        path.unlink()
        HARM[name](path, rng)
        done.append(f"{name} at {path.relative_to(root)}")
    (root / "app" / f"m{EVIL[:20]}.py").write_text("import os\n")
    return ", ".join(done)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_hostile_tree(tmp_path: Path, seed: int) -> None:
    what = harmed(tmp_path, seed)
    for command in COMMANDS:
        began = time.process_time()
        done = x07_here(*command, cwd=tmp_path)
        assert time.process_time() - began < LIMIT_S, (what, command)
        assert "X07_INTERNAL" not in done.stderr, (what, command, done.stderr)
        own = "\n".join(line for line in done.stdout.splitlines() if not line.startswith(("::error ", "::warning ")))
        is_plain(own + done.stderr)


PEAK = """
import resource, subprocess, sys
done = subprocess.run(["x07", "arch", "check"], capture_output=True, text=True, check=False)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, "X07_INTERNAL" in done.stderr, "Traceback" in done.stderr)
"""


@pytest.mark.parametrize("name", ["zero", "huge", "dots", "letters", "deep list"])
def test_the_memory_stays_small(tmp_path: Path, name: str) -> None:
    project(tmp_path)
    places = {"dots": "app/__init__.py", "letters": "arch/rr/index.x07rr.json"}
    path = tmp_path / places.get(name, "x07.lock")
    path.unlink()
    HARM[name](path, random.Random(0))
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-c", PEAK], cwd=tmp_path, capture_output=True, text=True, check=True, env=environment
    )
    kilobytes, inside, traceback = done.stdout.split()
    assert int(kilobytes) < 200_000
    assert (inside, traceback) == ("False", "False")


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [" + ", ".join([f"*{chr(97 + n)}"] * 9) + "]\n" for n in range(12)
)


@pytest.mark.parametrize(
    "text",
    [BOMB, "a: &a\n  b: *a\n", "[" * 20_000, "a: " + "{" * 3_000, "&a [*a]", "x: !!python/object/apply:os.system [id]"],
    ids=["aliases", "itself", "lists", "maps", "list in itself", "tag"],
)
def test_a_hostile_yaml_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "doc.yaml").write_text(f"asyncapi: 3.0.0\n{text}" if ":" in text[:2] else text)
    (tmp_path / "a.py").write_text("")
    began = time.process_time()
    done = x07_here("arch", "init", "--from-asyncapi", "doc.yaml", cwd=tmp_path)
    assert time.process_time() - began < LIMIT_S
    assert "error[X07_ASYNCAPI_PARSE]" in done.stderr, done.stderr[:500]


@pytest.mark.parametrize("bad", ["../../../../evil", "/tmp/evil", "a/b", "", ".", "a\0b", "a\nb", "é", "x" * 200, 7])
@pytest.mark.parametrize("place", ["id", "budget_profile_id", "rr_policy_id", "policy"])
def test_an_id_of_a_document_is_no_path(tmp_path: Path, bad: object, place: str) -> None:
    root = tmp_path / "in" / "project"
    (root / "app").mkdir(parents=True)
    (root / "app" / "__init__.py").write_text("")
    kept: dict[str, Any] = {"document": {"id": "ok"}, "budget_profile_id": "b", "rr_policy_id": "c"}
    if place == "id":
        kept["document"] = {"id": bad}
    elif place != "policy":
        kept[place] = bad
    document = {
        "asyncapi": "3.0.0",
        "channels": {"t": {"address": "t"}},
        "servers": {"s": {"host": "h:1", "protocol": "kafka", "x-x07": kept}},
        **({"x-x07": {"rr_policy_id": bad}} if place == "policy" and bad else {}),
    }
    (root / "doc.json").write_text(json.dumps(document))
    x07_here("arch", "init", "--from-asyncapi", "doc.json", cwd=root)
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_relative_to(root)]
    assert not outside
    assert not Path("/tmp/evil.kafka.json").exists()
    odd = [path.name for path in (root / "arch").rglob("*.json") if not re.fullmatch(r"[A-Za-z0-9._-]+", path.name)]
    assert not odd


DOTS = "a." * 50_000


@pytest.mark.parametrize("name", [f"{DOTS}b = 1", f"[{DOTS}b]\nc = 1", '"a" . ' * 50_000 + "b = 1"])
def test_a_long_key_of_toml_costs_no_more_than_its_text(tmp_path: Path, name: str) -> None:
    project(tmp_path)
    for file in ("pyproject.toml", "x07.lock"):
        with (tmp_path / file).open("a") as out:
            out.write(f"\n[x]\n{name}\n" if name[0] != "[" else f"\n{name}\n")
    for command in ("pkg list", "pkg lock --check", "run --profile os --explain", "arch check"):
        began = time.process_time()
        done = x07_here(*command.split(), cwd=tmp_path)
        assert time.process_time() - began < LIMIT_S, command
        assert "X07_INTERNAL" not in done.stderr, (command, done.stderr)


def test_many_findings_in_one_line_cost_no_more_than_the_line(tmp_path: Path) -> None:
    """Nodes that hold nothing, in a manifest without line ends: each place is found without reading the rest anew."""
    project(tmp_path)
    manifest = tmp_path / "arch" / "manifest.x07arch.json"
    document = json.loads(manifest.read_text()) if manifest.exists() else arch_manifest()
    wanted = {"module_prefixes": ["app"], "path_globs": []}
    first = {**arch_node("all"), "match": wanted}
    many = [{**first, "id": f"n{one}", "match": {**wanted, "module_prefixes": [f"x{one}"]}} for one in range(1500)]
    manifest.write_text(json.dumps({**document, "nodes": [first, *many]}))
    began = time.process_time()
    done = x07_here("arch", "check", "--format", "json", cwd=tmp_path)
    assert time.process_time() - began < 2 * LIMIT_S
    assert done.stdout.count("E_ARCH_NAME_MATCHES_NOTHING") > 1000


@pytest.mark.parametrize("option", ["allow-read", "allow-write", "deny-read"])
def test_a_grant_that_is_a_link_to_itself_is_told(tmp_path: Path, option: str) -> None:
    project(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with (tmp_path / "pyproject.toml").open("a") as file:
        file.write(f'[tool.x07.profiles.mine]\nworld = "run-os-sandboxed"\n{option} = ["loop"]\n')
    done = x07_here("run", "--profile", "mine", "--explain", cwd=tmp_path)
    assert done.returncode == 126
    assert "error[X07RUN_" in done.stderr, done.stderr
