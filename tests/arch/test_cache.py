"""The scan's cache: same answers with it, after a change, after damage, and where it cannot be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.arch.trees import manifest, node, run, write
from x07py.arch import store
from x07py.arch.model import Depth
from x07py.arch.scan import tree
from x07py.arch.scan.python import scan_python
from x07py.arch.store import Store

MODULES = {
    "a.py": "import b, time\nfrom b import f as g\ntime.time()\ndef h(x: bytes): ...\n",
    "b.py": "import syslog\ndef f(): ...\n",
}


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that are parsed, while the real parser runs."""
    paths: list[str] = []

    def spy(text: str, module_id: str, path: str, depth: Depth) -> object:
        paths.append(path)
        return scan_python(text, module_id, path, depth)

    monkeypatch.setattr(tree, "scan_python", spy)
    return paths


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as settled at once, so that tests need not wait two seconds."""
    monkeypatch.setattr(store, "_TICK_NS", -60_000_000_000)


@pytest.mark.usefixtures("settled")
def test_only_what_changed_is_parsed(tmp_path: Path, parsed: list[str]) -> None:
    root = write(tmp_path, manifest(node("a", "solve-pure"), node("b")), MODULES)
    first = run(root).findings
    assert len(first) > 3
    assert run(root).findings == first
    assert parsed == ["a.py", "b.py"]
    write(root, manifest(node("a", "solve-pure"), node("b")), {"b.py": "def f(): ...\n"})
    assert len(run(root).findings) < len(first)
    assert parsed == ["a.py", "b.py", "b.py"]


@pytest.mark.usefixtures("settled")
def test_another_world_reads_anew(tmp_path: Path, parsed: list[str]) -> None:
    root = write(tmp_path, manifest(node("a"), node("b")), MODULES)
    run(root)
    write(root, manifest(node("a", "solve-pure"), node("b")))
    assert "E_ARCH_CALL_CLOCK" in {row.code for row in run(root).findings}
    assert parsed == ["a.py", "b.py", "a.py"]


@pytest.mark.usefixtures("settled")
def test_a_damaged_cache_is_rebuilt(tmp_path: Path) -> None:
    root = write(tmp_path, manifest(node("a", "solve-pure"), node("b")), MODULES)
    first = run(root).findings
    file = Store(root, "scan").file
    assert file is not None
    whole = file.read_bytes()
    for damage in (b"", b"{}", whole[:-9], whole.replace(b"syslog", b"syslug"), whole + b" "):
        file.write_bytes(damage)
        assert run(root).findings == first
        assert file.read_bytes() == whole


def test_a_cache_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path, manifest(node("a", "solve-pure"), node("b")), MODULES)
    first = run(root).findings
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert run(root).findings == first
