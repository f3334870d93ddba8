"""Which folder is the project: contracts first, then pyproject.toml, then the repository; never a foreign `arch`."""

from __future__ import annotations

from pathlib import Path

import pytest

from x07py.contracts.loader import find_root


def make(root: Path, *files: str) -> None:
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")


@pytest.mark.parametrize(
    ("files", "start", "expected"),
    [
        (["home/shop/pyproject.toml", "home/arch/plan.dwg"], "home/shop", "home/shop"),
        (["home/shop/.git/HEAD", "home/arch/x86/Kconfig"], "home/shop/src", "home/shop"),
        (["shop/arch/msg/index.x07msg.json", "shop/src/a.py"], "shop/src", "shop"),
        (["shop/.git/HEAD", "shop/arch/manifest.x07arch.json", "shop/api/pyproject.toml"], "shop/api", "shop"),
        (["shop/.git/HEAD", "shop/pyproject.toml", "shop/api/pyproject.toml"], "shop/api/src", "shop/api"),
        (["arch/manifest.x07arch.json", "shop/.git/HEAD"], "shop", "shop"),
        (["shop/.git", "shop/src/a.py"], "shop/src", "shop"),
        (["shop/src/arch/plan.txt"], "shop/src", "shop/src"),
    ],
)
def test_the_root(tmp_path: Path, files: list[str], start: str, expected: str) -> None:
    make(tmp_path, *files)
    (tmp_path / start).mkdir(parents=True, exist_ok=True)
    assert find_root(tmp_path / start) == tmp_path / expected


def test_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "pyproject.toml", "src/a.py")
    monkeypatch.chdir(tmp_path / "src")
    assert find_root() == tmp_path
