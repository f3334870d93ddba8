"""The schemas that files name for editors: put there by the check, from the one read that it makes of each file."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.support.project import x07_here
from x07py.arch.project import MANIFEST_PATH
from x07py.contracts.schemas import EDITOR_FOLDER
from x07py.scaffold.create import create_project

TOPICS = "arch/msg/index.x07msg.json"
_opened: Counter[str] | None = None


def _note(event: str, args: tuple[object, ...]) -> None:
    if _opened is not None and event == "open" and isinstance(args[0], str):
        _opened[os.path.relpath(args[0])] += 1


sys.addaudithook(_note)  # stays for the process, and does nothing but for the test below


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new service, whose manifest and topics name their schemas."""
    create_project(tmp_path / "shop", "worker")
    monkeypatch.chdir(tmp_path / "shop")
    return tmp_path / "shop"


def placed(root: Path) -> list[str]:
    return sorted(path.name for path in (root / EDITOR_FOLDER).glob("*"))


def test_each_contract_is_read_once(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "_opened", Counter())
    done = x07_here("arch", "check", cwd=shop)
    assert done.returncode == 0, done.stdout
    assert _opened is not None
    assert {path: _opened[path] for path in (MANIFEST_PATH, TOPICS)} == {MANIFEST_PATH: 1, TOPICS: 1}
    assert placed(shop) == ["x07py.arch.manifest.schema.json", "x07py.arch.msg.index.schema.json"]


@pytest.mark.parametrize("broken", [MANIFEST_PATH, TOPICS])
def test_a_file_with_faults_gets_its_schema_too(broken: str, shop: Path) -> None:
    document = json.loads((shop / broken).read_text())
    (shop / broken).write_text(json.dumps({**document, "surplus": 1}))
    assert x07_here("arch", "check", cwd=shop).returncode in {2, 3}
    assert Path(document["$schema"]).name in placed(shop)
