"""This repository keeps its own layers, and a break of them is found."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.arch.trees import codes, run
from tests.project import REPOSITORY


def test_clean_and_a_break_is_found(tmp_path: Path) -> None:
    assert codes(run(REPOSITORY)) == []
    shutil.copytree(REPOSITORY / "arch", tmp_path / "arch")
    shutil.copytree(REPOSITORY / "x07py", tmp_path / "x07py", ignore=shutil.ignore_patterns("__pycache__"))
    broken = tmp_path / "x07py/msg/envelope.py"
    broken.write_text(broken.read_text() + "\nfrom x07py.rr import Cassette\nimport socket\n")
    (tmp_path / "x07py/pkg/layout.py").write_text("import x07py.arch.check\n")
    found = codes(run(tmp_path))
    wanted = {"E_ARCH_LAYERS_VIOLATION", "E_ARCH_WORLD_EDGE_FORBIDDEN", "E_ARCH_OS_IMPORT", "E_ARCH_DEPS_DENY"}
    assert wanted <= set(found)
