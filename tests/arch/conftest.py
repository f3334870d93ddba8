"""Each test has a cache folder of its own; the summaries of library files, kept by content, are one folder for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def summaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("summaries")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, summaries: Path) -> None:
    folder = tmp_path_factory.mktemp("cache")
    (folder / "x07").mkdir()
    (folder / "x07" / "effects").symlink_to(summaries)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
