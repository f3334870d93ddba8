"""What the tests of packages share: a project, and a folder of installed distributions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.installed import site

__all__ = ["site"]


@pytest.fixture(autouse=True)
def own_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep settings of the user out of the tests."""
    monkeypatch.delenv("X07_OFFLINE", raising=False)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """An empty project."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[project]\nname = "shop"\ndependencies = []\n', encoding="utf-8")
    return folder
