"""Editing the manifest so that only the lines concerned change: comments, order, indentation and line ends stay.

tomlkit makes the edit. Three things that it does not do are done on its text: a new line goes below the table's last
entry and not below the comment of the next table, it gets the line end of the file, and a new table goes to the end.
Whatever happens, the result must parse to exactly the old content with the one change, else nothing is written.
"""

from __future__ import annotations

import tomllib
from collections.abc import MutableMapping
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from x07py.contracts.project import PYPROJECT
from x07py.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from x07py.contracts.project import Project

Value = str | dict[str, str]


def set_dependency(project: Project, data: bytes, name: str, value: Value) -> bytes:
    """Return the manifest `data` with the dependency `name` set.

    Args:
        project: whose manifest it is.
        data: the manifest as it is.
        name: package name.
        value: a version or range, or a table of ``version`` and ``path``.

    Raises:
        PackageError: ``X07PKG_EDIT`` if the file is written in a way that cannot be edited safely.
    """
    return _set(project, data, _place(project), name, value)


def set_index(project: Project, data: bytes, url: str) -> bytes:
    """Return the manifest `data` with ``index.url`` set.

    Raises:
        PackageError: ``X07PKG_EDIT``.
    """
    return _set(project, data, (*_place(project)[:-1], "index"), "url", url)


def _set(project: Project, data: bytes, place: Sequence[str], name: str, value: Value) -> bytes:
    text = data.decode("utf-8")
    wanted = tomllib.loads(text)
    _descend(wanted, place, create=True)[name] = value
    if _descend(tomllib.loads(text), place) is None:
        edited = _with_new_table(text, place, name, value)
        if _parses_to(edited, wanted):
            return edited.encode()
    document = _load(text)
    _descend(document, place, create=True)[name] = _inline(value)
    return _checked(project, _tidied(text, document, wanted), wanted)


def remove_dependency(project: Project, data: bytes, name: str) -> bytes:
    """Return the manifest `data` without the dependency `name`, which it has.

    Raises:
        PackageError: ``X07PKG_EDIT``.
    """
    text = data.decode("utf-8")
    wanted = tomllib.loads(text)
    del _descend(wanted, _place(project), create=True)[name]
    document = _load(text)
    del _descend(document, _place(project), create=True)[name]
    return _checked(project, _tidied(text, document, wanted), wanted)


def _place(project: Project) -> tuple[str, ...]:
    return ("tool", "x07", "dependencies") if project.file.name == PYPROJECT else ("dependencies",)


def _load(text: str) -> Any:
    import tomlkit

    return tomlkit.parse(text)


def _descend(document: Any, place: Sequence[str], *, create: bool = False) -> Any:
    for key in place:
        if create and key not in document:
            document[key] = {}
        document = document.get(key) if isinstance(document, MutableMapping) else None
    return document


def _inline(value: Value) -> Any:
    if isinstance(value, str):
        return value
    import tomlkit

    table = tomlkit.inline_table()
    table.update(value)
    return table


def _with_new_table(text: str, place: Sequence[str], name: str, value: Value) -> str:
    import tomlkit

    end = _line_end(text)
    entry = tomlkit.document()
    entry[name] = _inline(value)
    gap = "" if not text else end if text.endswith("\n") else end * 2
    return f"{text}{gap}[{'.'.join(place)}]{end}{tomlkit.dumps(entry).strip()}{end}"


def _line_end(text: str) -> str:
    return "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"


def _tidied(text: str, document: Any, wanted: dict[str, Any]) -> str:
    """Return `text` with the one change that `document` has: in the right place, with the line end of the file."""
    import tomlkit

    old, new = text.splitlines(keepends=True), tomlkit.dumps(document).splitlines(keepends=True)
    codes = SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes()
    for start, end, new_start, new_end in _smallest_first(code[1:] for code in codes if code[0] != "equal"):
        lines = [line.rstrip("\r\n") + _line_end(text) for line in new[new_start:new_end] if line.strip()]
        for at in (_up_to_table(old, start), start) if start == end else (start,):
            edited = "".join([*old[:at], *lines, *old[at if start == end else end :]])
            if _parses_to(edited, wanted):
                return edited
    return "".join(new)


def _smallest_first(spans: Iterable[tuple[int, int, int, int]]) -> Iterator[tuple[int, int, int, int]]:
    """Yield each span of changed lines, before it those of its first lines that may be all that has to change."""
    for start, end, new_start, new_end in spans:
        if start < end and new_start < new_end:
            yield start, start + 1, new_start, new_start + 1
            yield start, start + 1, new_start, new_start
            yield from ((start, start, new_start, stop) for stop in range(new_start + 1, new_end))
        yield start, end, new_start, new_end


def _up_to_table(lines: list[str], start: int) -> int:
    """Return the first blank line of the blank lines and comments directly above `start`, or `start`."""
    above = start
    while above and (not lines[above - 1].strip() or lines[above - 1].lstrip().startswith("#")):
        above -= 1
    return next((at for at in range(above, start) if not lines[at].strip()), start)


def _parses_to(text: str, wanted: dict[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        return False


def _checked(project: Project, edited: str, wanted: dict[str, Any]) -> bytes:
    if not _parses_to(edited, wanted):
        raise PackageError(
            "X07PKG_EDIT",
            "the manifest is written in a way that cannot be edited safely",
            where=str(project.file),
            hint=f"write its dependencies as a table [{'.'.join(_place(project))}]",
        )
    return edited.encode()
