"""Modules that are nested deeper than a parser goes, in a node whose code is followed: told, and no internal error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.project import x07_here

DEEP = {
    "parentheses": "x = " + "(" * 5_000 + "1" + ")" * 5_000,
    "not": "x = " + "not " * 50_000 + "1",
    "signs": "x = " + "-" * 50_000 + "1",
    "lambda": "x = " + "lambda: " * 20_000 + "1",
    "choices": "x = " + "1 if 1 else " * 20_000 + "1",
    "powers": "x = 2" + "**2" * 20_000,
    "sums": "x = 1" + "+1" * 50_000,
    "attributes": "x = a" + ".b" * 50_000,
    "branches": "if 1: pass\n" + "elif 1: pass\n" * 10_000,
    "an annotation": f"def f(x: {'not ' * 20_000 + '1'!r}): pass",
}
REFUSED = [DEEP[name] for name in ("parentheses", "not", "lambda")]
"""What every Python's parser refuses."""


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_a_module_that_is_nested_too_deep_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "src" / "svc").mkdir(parents=True)
    (tmp_path / "src" / "svc" / "__init__.py").write_text("")
    (tmp_path / "src" / "svc" / "core.py").write_text("import json\n")
    assert x07_here("arch", "init", cwd=tmp_path).returncode == 0
    path = tmp_path / "arch" / "manifest.x07arch.json"
    manifest = json.loads(path.read_text())
    for node in manifest["nodes"]:
        node["world"] = "solve-pure"
    path.write_text(json.dumps(manifest))
    assert x07_here("arch", "check", "--write-lock", cwd=tmp_path).returncode == 0
    (tmp_path / "src" / "svc" / "core.py").write_text(text + "\n")
    done = x07_here("arch", "check", "--format", "json", cwd=tmp_path)
    assert done.returncode in ({2} if text in REFUSED else {0, 2}), done.stderr
    told = [one["loc"]["span"]["file"] for one in json.loads(done.stdout)["diags"] if "loc" in one]
    assert (done.returncode == 0) == ("src/svc/core.py" not in told)
