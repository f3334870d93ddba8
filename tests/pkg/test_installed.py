"""What `x07 run`, `x07 arch check` and the pytest plugin find of a project's packages."""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from x07py.contracts.lockfile import LOCK_NAME, parse_lock
from x07py.contracts.packages import installed_packages
from x07py.contracts.project import parse_project, read_project
from x07py.errors import PackageError

MANIFEST = json.dumps(
    {
        "name": "greet",
        "version": "1.0.0",
        "module_root": "modules",
        "modules": ["greet"],
        "meta": {"worlds_allowed": ["run-os", "solve-pure"]},
    }
).encode()
MODULE = b"def hello() -> str:\n    return 'hello'\n"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def lock_text(**fields: str) -> str:
    rows = {
        "name": '"greet"',
        "version": '"1.0.0"',
        "source": '"path+greet"',
        "direct": "true",
        "worlds": '["run-os", "solve-pure"]',
        "module_root": '"modules"',
        "modules": '["greet"]',
        "files": f'{{"x07-package.json" = "{digest(MANIFEST)}", "modules/greet.py" = "{digest(MODULE)}"}}',
    }
    body = "\n".join(f"{key} = {value}" for key, value in {**rows, **fields}.items())
    return f'schema_version = "x07.lock@1.0.0"\ntoolchain = "0.1.0"\n\n[[package]]\n{body}\n'


@pytest.fixture
def synced(tmp_path: Path) -> Path:
    folder = tmp_path / ".x07" / "deps" / "greet" / "1.0.0"
    (folder / "modules").mkdir(parents=True)
    (folder / "x07-package.json").write_bytes(MANIFEST)
    (folder / "modules" / "greet.py").write_bytes(MODULE)
    (tmp_path / "x07.toml").write_text('[dependencies]\ngreet = "1.0.0"\n', encoding="utf-8")
    (tmp_path / LOCK_NAME).write_text(lock_text(), encoding="utf-8")
    return tmp_path


def restate(synced: Path, **fields: Any) -> None:
    """Install and lock the package with other fields in its manifest."""
    manifest = {**json.loads(MANIFEST), **fields}
    data = json.dumps(manifest).encode()
    (synced / ".x07" / "deps" / "greet" / "1.0.0" / "x07-package.json").write_bytes(data)
    meta = {key: value for key, value in manifest["meta"].items() if key in {"requires_dists", "x07py_compat"}}
    text = lock_text(
        worlds=json.dumps(manifest["meta"]["worlds_allowed"]),
        files=f'{{"x07-package.json" = "{digest(data)}", "modules/greet.py" = "{digest(MODULE)}"}}',
        **{key: json.dumps(value) for key, value in meta.items()},
    )
    (synced / LOCK_NAME).write_text(text, encoding="utf-8")


def refusal(root: Path, world: str = "run-os") -> PackageError:
    with pytest.raises(PackageError) as caught:
        installed_packages(root, world)
    return caught.value


def test_an_allowed_package_is_on_the_import_path(synced: Path) -> None:
    found = installed_packages(synced, "solve-pure")
    assert [root.relative_to(synced).as_posix() for root in found.roots] == [".x07/deps/greet/1.0.0/modules"]
    assert [package.name for package in found.allowed] == ["greet"]
    found.check_import("greet")


def test_a_refused_package_is_not_on_the_path_and_its_import_is_explained(synced: Path) -> None:
    found = installed_packages(synced, "solve-rr")
    assert found.roots == ()
    with pytest.raises(PackageError, match=r"X07PKG_WORLD_REFUSED.*greet 1\.0\.0.*solve-rr"):
        found.check_import("greet.inner")
    found.check_import("greeting")


@pytest.mark.parametrize("damage", ["change", "add", "remove", "link"])
def test_a_tampered_package_is_refused(synced: Path, damage: str) -> None:
    modules = synced / ".x07" / "deps" / "greet" / "1.0.0" / "modules"
    if damage == "change":
        (modules / "greet.py").write_bytes(MODULE + b"# more\n")
    elif damage == "add":
        (modules / "json.py").write_bytes(b"")
    elif damage == "remove":
        (modules / "greet.py").unlink()
    else:
        (modules / "greet.py").rename(synced / "elsewhere.py")
        (modules / "greet.py").symlink_to(synced / "elsewhere.py")
    error = refusal(synced)
    assert error.code == "X07PKG_TAMPERED"
    assert ("json.py" if damage == "add" else "greet.py") in error.message


def test_compiled_files_are_dropped_before_they_can_be_imported(synced: Path) -> None:
    compiled = synced / ".x07" / "deps" / "greet" / "1.0.0" / "modules" / "__pycache__"
    compiled.mkdir()
    (compiled / "greet.cpython-311.pyc").write_bytes(b"not the locked source")
    assert installed_packages(synced, "run-os").roots
    assert not compiled.exists()


def test_a_package_that_is_not_there_asks_for_sync(synced: Path) -> None:
    (synced / ".x07" / "deps" / "greet").rename(synced / "away")
    error = refusal(synced)
    assert error.code == "X07PKG_NOT_SYNCED"
    assert "x07 pkg sync" in str(error.hint)


def test_a_missing_distribution_is_named_with_the_command(synced: Path) -> None:
    wanted = ["absent; python_version < '3'", "no-such-distribution>=1,<2", "pytest>=999"]
    restate(synced, meta={"worlds_allowed": ["run-os", "solve-pure"], "requires_dists": wanted})
    error = refusal(synced)
    assert error.code == "X07PKG_DIST_MISSING"
    assert error.hint == "python -m pip install 'no-such-distribution>=1,<2' 'pytest>=999'"
    assert installed_packages(synced, "solve-rr").allowed == ()


def test_what_the_hint_prints_is_safe_to_paste(synced: Path) -> None:
    worlds = ["run-os", "solve-pure"]
    restate(synced, meta={"worlds_allowed": worlds, "requires_dists": ["x'; touch /tmp/x07-evil; '"]})
    hint = str(refusal(synced).hint)
    assert shlex.split(hint)[4:] == ["x'; touch /tmp/x07-evil; '"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("worlds", '["run-os", "solve-pure", "solve-rr"]'),
        ("requires", '["greet@^1"]'),
        ("requires_dists", '["pytest"]'),
        ("module_root", '"."'),
        ("modules", '["greet", "other"]'),
        ("x07py_compat", '">=0"'),
    ],
)
def test_an_edited_lock_is_not_believed(synced: Path, field: str, value: str) -> None:
    (synced / LOCK_NAME).write_text(lock_text(**{field: value}), encoding="utf-8")
    error = refusal(synced)
    assert error.code == "X07PKG_LOCK_MISMATCH"
    assert field in error.message


def test_a_package_for_another_x07py_is_refused(synced: Path) -> None:
    restate(synced, meta={"worlds_allowed": ["run-os"], "x07py_compat": ">=99"})
    error = refusal(synced)
    assert error.code == "X07PKG_LOCK_MISMATCH"
    assert ">=99" in error.message


def test_without_dependencies_no_lock_is_needed(synced: Path) -> None:
    (synced / LOCK_NAME).unlink()
    assert refusal(synced).code == "X07PKG_LOCK_MISSING"
    (synced / "x07.toml").write_text("", encoding="utf-8")
    assert installed_packages(synced, "run-os").roots == ()


@pytest.mark.parametrize(
    "text",
    [
        "not toml",
        'schema_version = "x07.lock@9.0.0"',
        'schema_version = "x07.lock@1.0.0"',
        lock_text() + lock_text().partition("\n\n")[2],
        lock_text(name='"../greet"'),
        lock_text(version='"../../1.0.0"'),
        lock_text(version='"00.2.0"'),
        lock_text(requires='["greet@junk"]'),
        lock_text(requires='["greet"]'),
        lock_text(requires='["absent@^1"]'),
        lock_text(required_by='["absent"]'),
        lock_text(x07py_compat='"junk"'),
        lock_text(signed_by="1"),
        lock_text(direct='"yes"'),
        lock_text(modules="[1]"),
        lock_text(files='{"../x" = "' + digest(b"") + '"}'),
        lock_text(files='{"/etc/x" = "' + digest(b"") + '"}'),
        lock_text(files='{"a" = "short"}'),
        lock_text(module_root='".."'),
        lock_text(source="1"),
    ],
)
def test_a_corrupt_lock_is_refused(text: str) -> None:
    with pytest.raises(PackageError, match="X07PKG_LOCK_PARSE"):
        parse_lock(text.encode(), where=LOCK_NAME)


@pytest.mark.parametrize(
    "text",
    [
        "not toml",
        "tool = 1",
        "[tool.x07]\ndependencies = []",
        "[tool.x07.dependencies]\nA = '1.0.0'",
        "[tool.x07.dependencies]\na = 1",
        "[tool.x07.dependencies]\na = {}",
        "[tool.x07.dependencies]\na = {git = 'x'}",
        "[tool.x07.dependencies]\na = ''",
        "[tool.x07.patch]\na = {path = 1}",
        "[tool.x07.index]\nurl = 1",
        "[tool.x07.index.keys]\na = 1",
        "[tool.x07]\nworld = 1",
    ],
)
def test_a_manifest_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(PackageError, match="X07PKG_PROJECT_PARSE"):
        parse_project(Path("pyproject.toml"), text.encode())


def test_x07_toml_wins_and_is_found_from_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.x07.dependencies]\nb = '1.0.0'\n", encoding="utf-8")
    (tmp_path / "src").mkdir()
    monkeypatch.chdir(tmp_path / "src")
    assert [row.name for row in read_project().dependencies] == ["b"]
    (tmp_path / "x07.toml").write_text("[dependencies]\na = '1.0.0'\n", encoding="utf-8")
    project = read_project()
    assert [row.name for row in project.dependencies] == ["a"]
    assert project.root == tmp_path


def test_no_project_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="X07PKG_PROJECT_MISSING"):
        read_project(tmp_path)
