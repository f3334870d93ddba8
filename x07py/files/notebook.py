"""The code of a Jupyter notebook, each line where it stands in the file."""

from __future__ import annotations

import json
import re

from x07py.files.source import decoded

NOTEBOOK = ".ipynb"
_SOURCE = '"source": ['
_COMMAND = re.compile(r"(\s*)([\w.,\s]*=\s*)?(%{1,2}[A-Za-z].*|!(?!=).*|\?.*|[^#'\"]*\?)")
_TIMING = ("%%time", "%%timeit", "%%capture", "%%prun")
"""Commands of a whole cell whose other lines are Python."""


def source_text(path: str, data: bytes) -> str:
    """Return the Python text of a file: that of a notebook's code cells, or the file's own.

    Args:
        path: its name tells whether it is a notebook.
        data: what it holds.

    Raises:
        SyntaxError, ValueError: it is neither.
    """
    return notebook_code(data) if path.endswith(NOTEBOOK) else decoded(data)


def notebook_code(data: bytes) -> str:
    """Return the code cells of a notebook as one text.

    In a notebook as Jupyter writes it, a line of code stands in the line of the file that holds it, and the rest is
    empty; one that is laid out in another way gives its cells one below the other. A command of IPython (``%cd x``,
    ``!ls``) becomes an ``exec`` of its text, which is what it is: code that no check reads.

    Raises:
        ValueError: it is no notebook.
    """
    text = data.decode()
    try:
        document = json.loads(text)
        cells = [_lines(cell["source"]) for cell in document["cells"] if cell["cell_type"] == "code"]
    except (KeyError, TypeError, RecursionError):
        raise ValueError("a notebook without readable cells") from None
    rows = [row.strip() for row in text.split("\n")]
    placed = [""] * len(rows)
    at = 0
    for cell in cells:
        found = _find(rows, cell, at)
        if found is None:
            return "\n".join(line for one in cells for line in _python(one))
        placed[found : found + len(cell)] = _python(cell)
        at = found + len(cell)
    return "\n".join(placed)


def _lines(source: str | list[str]) -> list[str]:
    """Return the lines of a cell, each with its end."""
    return ("".join(source)).splitlines(keepends=True)


def _find(rows: list[str], cell: list[str], start: int) -> int | None:
    """Return at which row of the file a cell's first line stands, from a row on; None if no row is one."""
    if not cell:
        return start
    for at in range(start, len(rows) - len(cell)):
        if rows[at] == _SOURCE and all(_holds(rows[at + 1 + i], line) for i, line in enumerate(cell)):
            return at + 1
    return None


def _holds(row: str, line: str) -> bool:
    try:
        return bool(json.loads(row.removesuffix(",")) == line)
    except ValueError:
        return False


def _python(cell: list[str]) -> list[str]:
    """Return the lines of a cell as Python, as many as there are."""
    lines = [line.rstrip("\r\n") for line in cell]
    if lines and lines[0].startswith("%%"):
        if not lines[0].startswith(_TIMING):
            return [f"exec({lines[0]!r})", *("" for _ in lines[1:])]
        lines[0] = ""
    return [_without_command(line) for line in lines]


def _without_command(line: str) -> str:
    found = _COMMAND.fullmatch(line)
    return f"{found[1]}{found[2] or ''}exec({found[3]!r})" if found else line
