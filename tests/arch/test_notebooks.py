"""Code cells of notebooks, which the manifest asks for: modules with lines of the file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.arch.trees import codes, manifest, node, run, write
from x07py.files.notebook import notebook_code

if TYPE_CHECKING:
    from pathlib import Path

CELLS = [
    ["import json\n", "import syslog"],
    ["%%bash\n", "ls | wc"],
    ["%%time\n", "files = !ls\n", "if files:\n", "    %cd x\n", "    print(1 % 2)\n", "from app import pages"],
]


def notebook(cells: list[list[str]], indent: int | None = 1) -> str:
    """A notebook with one cell of text, then cells of code."""
    text: dict[str, Any] = {"cell_type": "markdown", "metadata": {}, "source": ["import os"]}
    code = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": source} for source in cells]
    return json.dumps({"cells": [text, *code], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=indent)


def test_lines_stand_where_they_stand_in_the_file() -> None:
    text = notebook(CELLS)
    code = notebook_code(text.encode())
    rows = text.split("\n")
    assert len(code.split("\n")) == len(rows)
    for at, line in enumerate(code.split("\n")):
        assert not line or line == json.loads(rows[at].removesuffix(",")).rstrip("\n") or "exec(" in line
    assert [line for line in code.split("\n") if line] == [
        "import json",
        "import syslog",
        "exec('%%bash')",
        "files = exec('!ls')",
        "if files:",
        "    exec('%cd x')",
        "    print(1 % 2)",
        "from app import pages",
    ]


def test_a_notebook_in_another_layout_gives_its_cells_one_below_the_other() -> None:
    assert notebook_code(notebook([["a = 1"], ["b = 2"]], indent=None).encode()) == "a = 1\nb = 2"


def test_imports_of_notebooks_count_if_the_manifest_asks_for_them(tmp_path: Path) -> None:
    nodes = node("app"), node("notes", imports={"deny_prefixes": ["app.pages"], "allow_prefixes": []})
    files = {"app/__init__.py": "", "app/pages.py": "", "notes/plain.py": "", "notes/01-first.ipynb": notebook(CELLS)}
    write(tmp_path, manifest(*nodes), files)
    assert run(tmp_path).findings == []
    write(tmp_path, manifest(*nodes, scan={"notebooks": True}))
    (found,) = run(tmp_path).findings
    assert found.path == "notes/01-first.ipynb"
    assert "app.pages" in found.message
    row = (tmp_path / "notes/01-first.ipynb").read_text().split("\n")[(found.line or 0) - 1]
    assert "from app import pages" in row


def test_a_command_of_a_notebook_is_code_that_no_check_has_read(tmp_path: Path) -> None:
    write(tmp_path, manifest(node("notes", "solve-pure"), scan={"notebooks": True}))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.ipynb").write_text(notebook([["!ls"], ["import time\n", "time.time()"]]))
    assert codes(run(tmp_path)) == ["E_ARCH_CALL_CLOCK", "E_ARCH_CALL_DYNAMIC"]


@pytest.mark.parametrize("text", ["", "[]", '{"cells": [1]}', '{"cells": [{"cell_type": "code"}]}'])
def test_what_is_no_notebook_is_an_error(tmp_path: Path, text: str) -> None:
    write(tmp_path, manifest(node("notes"), scan={"notebooks": True}))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.ipynb").write_text(text)
    assert codes(run(tmp_path)) == ["E_ARCH_MODULE_PARSE"]
