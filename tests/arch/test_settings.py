"""``[tool.x07.arch]``: imports inside a node as the reference reads them, settings that mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.arch.trees import codes, manifest, node, run, write
from x07py.errors import ArchError

RESTRICTED = {"mode": "restricted", "visible_to": []}
ALLOWLIST = {"enabled": True, "default_allow_external": True, "default_allow_internal": False}


def settings(root: Path, text: str, file: str = "pyproject.toml") -> Path:
    table = "[arch]" if file == "x07.toml" else "[tool.x07.arch]"
    (root / file).write_text(f"{table}\n{text}\n")
    return root


@pytest.mark.parametrize("file", ["pyproject.toml", "x07.toml"])
def test_imports_inside_a_node_count_where_the_reference_is_followed(file: str, tmp_path: Path) -> None:
    inside = {"p/a.py": "import p.b\n", "p/b.py": ""}
    checks = {**manifest()["checks"], "allowlist_mode": ALLOWLIST}
    write(tmp_path, manifest(node("p", visibility=RESTRICTED), checks=checks), inside)
    assert codes(run(tmp_path)) == []
    report = run(settings(tmp_path, "self_edges = true", file))
    assert codes(report) == ["E_ARCH_EDGE_NOT_ALLOWED", "E_ARCH_VISIBILITY"]
    allow = {"kind": "deps_v1", "id": "r", "from": "p", "to": ["p"], "mode": "allow"}
    own = {"mode": "restricted", "visible_to": ["p"]}
    write(tmp_path, manifest(node("p", visibility=own), checks=checks, rules=[allow]))
    assert codes(run(tmp_path)) == []


@pytest.mark.parametrize("text", ["module_roots = []", "self_edges = 1"])
def test_settings_that_mean_nothing(text: str, tmp_path: Path) -> None:
    root = settings(write(tmp_path, manifest(node("a")), {"a.py": ""}), text)
    with pytest.raises(ArchError) as caught:
        run(root)
    assert caught.value.code == "E_ARCH_SETTINGS"
