"""x07py whose own files were changed says so in one line with a code, whatever of it does not import any more."""

from __future__ import annotations

import base64
import hashlib
import marshal
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path

import pytest

from tests.support.installed import install
from tests.support.project import REPOSITORY
from x07py._version import __version__

START = "from x07py_start import main; main()"
MANIFEST = '[project]\nname = "shop"\nversion = "1"\n[tool.x07.dependencies]\next-msg-core = "*"\n'


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of x07py as an installer leaves them, with a record, and a project with a lock beside them."""
    folder = REPOSITORY / "x07py"
    paths = [path for path in folder.rglob("*") if path.suffix in {".py", ".json", ".toml", ".txt"}]
    paths.append(REPOSITORY / "x07py_start.py")
    texts = {path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    place = tmp_path_factory.mktemp("place")
    core = {"ext-msg-core": "x07py.catalog.ext_msg_core"}
    install(place / "site", "x07py", __version__, texts, {"x07.packages": core})
    (place / "shop").mkdir()
    (place / "shop/pyproject.toml").write_text(MANIFEST)
    (place / "shop/main.py").write_text('print("ran")\n')
    assert run(place, "pkg", "lock").returncode == 0
    return place


@pytest.fixture
def x07(place: Path) -> Iterator[Path]:
    """The same, for a test that damages files of x07py; it gets them back."""
    before = {path: path.read_bytes() for path in (place / "site").rglob("*") if path.is_file()}
    yield place
    for path in (place / "site").rglob("*"):
        if path.is_file() and path not in before:
            path.unlink()
    for path, data in before.items():
        if path.read_bytes() != data:
            path.write_bytes(data)


def run(place: Path, *args: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run the installed x07 in the project, after some code."""
    more = {"PYTHONPATH": str(place / "site"), "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
    command = [sys.executable, *(args if args[0] == "-m" else ("-c", code + START, *args))]
    folder = place / "shop"
    return subprocess.run(command, cwd=folder, env=os.environ | more, capture_output=True, text=True, check=False)


def bytecode(source: Path, body: bytes) -> Path:
    """Put bytecode beside a source that Python takes for the source's own; return its file."""
    cached = Path(cache_from_source(str(source)))
    cached.parent.mkdir(exist_ok=True)
    found = source.stat()
    head = MAGIC_NUMBER + bytes(4) + int(found.st_mtime).to_bytes(4, "little") + found.st_size.to_bytes(4, "little")
    cached.write_bytes(head + body)
    return cached


OTHER = marshal.dumps(compile("", "x", "exec"))
RUN = ("run", "--profile", "os", "--entry", "main.py")
INSIDE = ("-m", "x07py.run.inside", "main.py")
"""What `x07 run` starts in a solve world."""


@pytest.mark.parametrize(
    ("module", "body", "command"),
    [
        ("errors", None, ("pkg", "verify")),
        ("cli/main", b"garbage", ("pkg", "verify")),
        ("pkg/query", OTHER, ("pkg", "verify")),
        ("run/environment", b"garbage", RUN),
        ("contracts/packages", OTHER, RUN),
        ("run/plan", None, RUN),
        ("run/guard", b"garbage", INSIDE),
        ("__init__", None, RUN),
        ("__init__", b"garbage", ("pkg", "verify")),
        ("_version", None, ("pkg", "verify")),
        ("cli/__init__", None, RUN),
        ("cli/start", None, RUN),
        ("cli/start", OTHER, ("pkg", "verify")),
    ],
)
def test_what_does_not_import_is_named(module: str, body: bytes | None, command: tuple[str, ...], x07: Path) -> None:
    source = x07 / f"site/x07py/{module}.py"
    if body is None:
        source.write_text(source.read_text() + "\ndef (")
    changed = source if body is None else bytecode(source, body)
    told = run(x07, *command)
    assert told.returncode == {"pkg": 20, "run": 126, "-m": 125}[command[0]]
    first, second = told.stderr.splitlines()
    assert first == f"error[X07PKG_TAMPERED]: x07py is not what was installed: {changed.relative_to(x07 / 'site')}"
    assert second.startswith("  help: install x07py again")
    assert "ran" not in told.stdout


@pytest.mark.parametrize(("module", "size"), [("__init__", 700), ("_version", 0), ("cli/start", 0)])
def test_a_truncated_file_of_the_start_is_named(module: str, size: int, x07: Path) -> None:
    source = x07 / f"site/x07py/{module}.py"
    source.write_text(source.read_text()[:size])
    told = run(x07, *RUN)
    assert (told.returncode, told.stdout) == (126, "")
    first, _ = told.stderr.splitlines()
    assert first == f"error[X07PKG_TAMPERED]: x07py is not what was installed: x07py/{module}.py"


def test_python_m_cannot_tell_of_a_package_that_does_not_import(x07: Path) -> None:
    """Python imports the package before it runs anything of it; docs/reference/pkg.md says so."""
    source = x07 / "site/x07py/__init__.py"
    source.write_text(source.read_text() + "\ndef (")
    told = run(x07, "-m", "x07py", "pkg", "verify")
    assert told.returncode == 1
    assert "SyntaxError" in told.stderr


def test_verify_compares_x07py_itself(x07: Path) -> None:
    assert f"x07py {__version__}: ok, " in run(x07, "pkg", "verify").stdout
    (x07 / "site/x07py/osbound.toml").write_text("")
    (x07 / "site/x07py_start.py").write_text((x07 / "site/x07py_start.py").read_text() + "\n")
    cached = bytecode(x07 / "site/x07py/run/learn.py", OTHER)
    told = run(x07, "pkg", "verify")
    assert told.returncode == 20
    names = f"x07py/osbound.toml, {cached.relative_to(x07 / 'site').as_posix()}, x07py_start.py"
    assert f"x07py {__version__}: CHANGED: x07py is not what was installed: {names} (X07PKG_TAMPERED)" in told.stdout


def test_the_lock_holds_all_code_of_x07py_and_names_the_file(x07: Path) -> None:
    assert run(x07, "pkg", "lock", "--check").stdout == "x07.lock is up to date\n"
    names = ["__init__", "errors", "drivers/__init__", "pumping/loop", "run/guard", "wire/kafka/new", "../x07py_start"]
    changed = [(x07 / f"site/x07py/{name}.py").resolve() for name in names]
    for file in changed:
        file.write_text((file.read_text() if file.is_file() else "") + "\nCHANGED = 1\n")
    told = run(x07, "pkg", "lock", "--check")
    rows = [line.strip() for line in told.stderr.splitlines() if line.startswith("  ext-msg-core")]
    files = [file.relative_to((x07 / "site").resolve()).as_posix() for file in changed]
    assert (told.returncode, rows) == (20, [f"ext-msg-core: files: {name} changed" for name in files])
    refused = run(x07, *RUN)
    assert (refused.returncode, refused.stdout) == (126, "")
    said = f"ext-msg-core 0.2.0 is not what was locked: {', '.join(files[:5])} and 2 more\n"
    assert said in refused.stderr


def test_a_record_that_was_changed_too_hides_nothing(x07: Path) -> None:
    changed, name = x07 / "site/x07py/drivers/__init__.py", "x07py/drivers/__init__.py"
    changed.write_text(changed.read_text() + "\nCHANGED = 1\n")
    digest = base64.urlsafe_b64encode(hashlib.sha256(changed.read_bytes()).digest()).rstrip(b"=").decode()
    record = next((x07 / "site").glob("x07py-*.dist-info/RECORD"))
    rows = record.read_text().splitlines(keepends=True)
    record.write_text("".join(f"{name},sha256={digest},1\n" if row.startswith(f"{name},") else row for row in rows))
    assert "ext-msg-core: files: x07py/drivers/ changed" in run(x07, "pkg", "lock", "--check").stderr


def test_a_defect_of_x07py_is_no_damage(place: Path) -> None:
    told = run(place, "pkg", "verify", code="import x07py.cli.main as m; m.main = lambda: 1 / 0; ")
    first, second = told.stderr.splitlines()
    assert first == "error[X07_INTERNAL]: ZeroDivisionError: division by zero"
    assert second.startswith("  help: run again with X07_DEBUG=1")
