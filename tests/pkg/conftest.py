"""What the tests of packages share: an empty project, folder packages, an index in a folder, a cache of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.pkg.builders import Packages


@pytest.fixture(autouse=True)
def own_places(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep cache, credentials and settings of the user out of the tests."""
    monkeypatch.setenv("X07_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("X07_PKG_HOME", str(tmp_path_factory.mktemp("home")))
    for name in ("X07_PKG_INDEX_URL", "X07_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """An empty project."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[project]\nname = "shop"\n', encoding="utf-8")
    return folder


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    """Packages to make and publish."""
    return Packages(tmp_path)


@pytest.fixture
def published(packages: Packages) -> Packages:
    """Two versions of a package and what they need, published."""
    packages.publish("greet", "1.0.0", "base@>=1,<2")
    packages.publish("greet", "1.1.0", "base@>=1,<2")
    packages.publish("base", "1.2.0")
    return packages


def report(text: str) -> dict[str, object]:
    """Return a JSON report."""
    document = json.loads(text)
    assert isinstance(document, dict)
    return document
