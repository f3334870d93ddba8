"""A baseline: old findings pass, new ones fail, and it only ever gets shorter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.arch.trees import manifest, node, run, write
from tests.support.project import x07
from x07py.arch.baseline import hold
from x07py.arch.documents import schema_faults

CHECK = ("arch", "check", "--baseline", "base.json")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A project with two findings, and a baseline of them."""
    write(tmp_path, manifest(node("a")), {"a.py": "import numpy\nimport pandas\n"})
    report = hold(run(tmp_path), tmp_path / "base.json", update=True)
    assert (report.exit_code, "0 errors, 0 warnings, 2 in the baseline" in report.summary()) == (0, True)
    return tmp_path


def test_old_findings_pass_wherever_they_move(old: Path) -> None:
    assert schema_faults(json.loads((old / "base.json").read_text()), "x07.arch.baseline") == []
    (old / "a.py").write_text("\n\n# moved\nimport numpy\nimport pandas\n")
    assert x07(*CHECK, cwd=old).returncode == 0


def test_new_findings_fail_and_are_not_taken_up(old: Path) -> None:
    (old / "a.py").write_text("import numpy\nimport pandas\nimport scipy\n")
    before = (old / "base.json").read_bytes()
    for more in ((), ("--update-baseline",)):
        done = x07(*CHECK, *more, cwd=old)
        assert done.returncode == 2
        assert "a imports scipy" in done.stdout
        assert "pandas" not in done.stdout
    assert (old / "base.json").read_bytes() == before


def test_what_was_mended_is_reported_until_it_is_dropped(old: Path) -> None:
    (old / "a.py").write_text("import numpy\n")
    done = x07(*CHECK, "--format", "json", cwd=old)
    assert done.returncode == 0
    (stale,) = json.loads(done.stdout)["diags"]
    assert stale["code"] == "W_ARCH_BASELINE_STALE"
    assert "pandas" in stale["notes"][0]
    assert x07(*CHECK, "--update-baseline", cwd=old).returncode == 0
    assert len(json.loads((old / "base.json").read_text())["findings"]) == 1
    (old / "a.py").write_text("import numpy\nimport pandas\n")
    assert x07(*CHECK, cwd=old).returncode == 2


def test_the_same_finding_counts_as_often_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, manifest(node("a", "solve-pure")), {"a.py": "import time\nx = time.time()\n"})
    x07(*CHECK, "--update-baseline", cwd=tmp_path)
    assert x07(*CHECK, cwd=tmp_path).returncode == 0
    (tmp_path / "a.py").write_text("import time\nx = time.time()\ny = time.time()\n")
    assert x07(*CHECK, cwd=tmp_path).returncode == 2


def test_each_import_between_two_nodes_counts(tmp_path: Path) -> None:
    rule = {"kind": "deps_v1", "id": "r", "from": "a", "to": ["b"], "mode": "deny"}
    files = {f"a/{name}.py": "import b\n" for name in ("k", "m")}
    write(tmp_path, manifest(node("a"), node("b"), rules=[rule]), {**files, "a/x.py": "", "b.py": ""})
    held = tmp_path / "base.json"
    assert hold(run(tmp_path), held, update=True).exit_code == 0
    (tmp_path / "a/x.py").write_text("\nimport b\n")
    (tmp_path / "a/z.py").write_text("import b\n")
    (new,) = hold(run(tmp_path), held, update=False).findings
    assert (new.location(), new.notes) == ("a/x.py:2:1", ("a/z.py:1 imports b",))
    assert new.message == "rule r forbids a to import b: a.x imports b"
    for name in ("k", "x", "z"):
        (tmp_path / f"a/{name}.py").write_text("")
    report = hold(run(tmp_path), held, update=True)
    assert (report.findings, report.accepted) == ([], 1)
    (tmp_path / "a/k.py").write_text("import b\n")
    assert hold(run(tmp_path), held, update=False).exit_code == 2


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": "x07.arch.baseline@9.9.9", "findings": []}', None])
def test_what_is_no_baseline(old: Path, text: str | None) -> None:
    (old / "base.json").unlink()
    if text is not None:
        (old / "base.json").write_text(text)
    done = x07(*CHECK, cwd=old)
    assert done.returncode == 3
    assert "E_ARCH_BASELINE" in done.stderr


def test_updating_needs_a_file(old: Path) -> None:
    assert "X07_USAGE" in x07("arch", "check", "--update-baseline", cwd=old).stderr
    assert "X07IO_WRITE" in x07("arch", "check", "--baseline", "no/b.json", "--update-baseline", cwd=old).stderr
    (old / "arch" / "manifest.x07arch.json").write_text("{")
    assert x07(*CHECK, cwd=old).returncode == 3
