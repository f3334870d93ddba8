"""A profile that confines less than when the user last ran it here is said before the program starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.project import x07
from x07py.run.policy import template


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose program says that it runs, and a state folder of its own."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "work.py").write_text("print('runs')\n")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "project"


def run(app: Path, profile: str, *args: str) -> tuple[str, str]:
    """Give the profile ``work`` a table and run it; return what was printed."""
    (app / "pyproject.toml").write_text(f'[tool.x07]\nentry = "work.py"\n[tool.x07.profiles.work]\n{profile}\n')
    done = x07("run", "--profile", "work", *args, cwd=app)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_a_profile_that_confines_less_than_before_is_said(app: Path) -> None:
    narrow = 'world = "run-os-sandboxed"\nallow_host = ["127.0.0.1:1"]\ndeny_host = ["10.0.0.1:*"]'
    assert run(app, narrow)[1] == ""
    wide = 'world = "run-os-sandboxed"\nallow_host = ["127.0.0.1:1", "127.0.0.1:2"]'
    explained = run(app, wide, "--explain")[1]
    out, told = run(app, wide)
    assert out == "runs\n"
    assert "x07 run: warning: profile work grants allow-host 127.0.0.1:2," in told
    assert "profile work no longer denies: deny-host 10.0.0.1:*," in told
    assert explained == told  # to explain is not to run
    assert run(app, wide)[1] == ""
    assert (
        "ran in world run-os-sandboxed when you last ran it here, and runs in run-os now"
        in run(app, 'world = "run-os"')[1]
    )
    assert run(app, narrow)[1] == ""


def test_a_policy_that_a_flag_names_is_compared_with_itself(app: Path) -> None:
    """Whoever names it for the first time asks for what it grants; what it grants more later is told."""
    plain = 'world = "run-os-sandboxed"'
    assert run(app, plain)[1] == ""
    document = json.loads(template("job"))
    for roots, told in ((["out"], ""), (["out"], ""), (["more", "out"], "allow-write")):
        for name in roots:
            (app / name).mkdir(exist_ok=True)
        (app / "policy.json").write_text(json.dumps(document | {"fs": document["fs"] | {"write_roots": roots}}))
        said = run(app, plain, "--policy", "policy.json")[1]
        assert ("more" in said, told in said) == (bool(told), True), said
    assert run(app, plain)[1] == ""


def test_what_flags_grant_and_what_another_sealed_is_not_remembered(app: Path, tmp_path: Path) -> None:
    plain = 'world = "run-os-sandboxed"'
    assert run(app, plain)[1] == ""
    assert run(app, plain, "--allow-host", "127.0.0.1:1")[1] == ""
    assert run(app, plain)[1] == ""
    (kept,) = (tmp_path / "state" / "x07").glob("profiles-*")
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.write_bytes(kept.read_bytes()[:-1] + b"!")
    assert run(app, 'world = "run-os"')[1] == ""
