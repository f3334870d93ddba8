"""Editing the manifest so that only the lines concerned change: comments, order, indentation and line ends stay.

tomlkit makes the edit. Three things that it does not do are done on its text: a new line goes below the table's last
entry and not below the comment of the next table, it gets the line end of the file, and a new table goes to the end.
Whatever happens, the result must parse to exactly the old content with the one change, else nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from x07py.contracts.distributions import normalized
from x07py.contracts.project import PYPROJECT
from x07py.errors import PackageError
from x07py.files import line_end, parse_toml, with_line_ends_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from packaging.requirements import Requirement

Change = Callable[[Any], None]
"""Makes a change to a document, be it plain or one that keeps its layout."""
_SOURCES = frozenset(("path", "git", "url", "file"))
"""Where a dependency of poetry comes from, if not from an index; it takes exactly one of these and ``version``."""


def set_dependency(file: Path, data: bytes, name: str, requirement: str) -> bytes:
    """Return the manifest `data`, to stand at `file`, with the package `name` required.

    Raises:
        PackageError: ``X07PKG_EDIT`` if the file is written in a way that cannot be edited safely.
    """
    text, place = data.decode("utf-8"), _place(file)
    wanted = parse_toml(text)
    new_table = _descend(wanted, place) is None
    _descend(wanted, place, create=True)[name] = requirement
    if new_table:
        edited = _with_new_table(text, place, name, requirement)
        if _parses_to(edited, wanted):
            return edited.encode()
    return _edited(file, data, lambda document: _descend(document, place, create=True).__setitem__(name, requirement))


def remove_dependency(file: Path, data: bytes, name: str) -> bytes:
    """Return the manifest `data` without the package `name`, which it has.

    Raises:
        PackageError: ``X07PKG_EDIT``.
    """
    return _edited(file, data, lambda document: _descend(document, _place(file)).__delitem__(name), _place(file))


def set_requirement(file: Path, data: bytes, distribution: str, extra: str, specifier: str | None) -> bytes:
    """Return ``pyproject.toml`` with a distribution required for the manager; as it is, where it lists none.

    What comes from a URL, a folder or a repository stays so: it has no versions beside that.

    Args:
        file: where the data shall stand.
        data: the file as it is.
        distribution: normalized name.
        extra: an extra to add to those that are asked for; empty for none.
        specifier: versions, PEP 440; None leaves what is said of them.

    Raises:
        PackageError: ``X07PKG_EDIT``, also where a build backend fills the dependencies in, and for versions of what
            poetry has several rows of.
    """
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    def change(text: str) -> str:
        one = Requirement(text)
        one.extras |= {extra} if extra else set()
        if specifier is not None and one.url is None:
            one.specifier = SpecifierSet(specifier)
        return text if str(one) == str(Requirement(text)) else str(one)

    return _requirements(file, data, distribution, change, f"{distribution}[{extra}]" if extra else distribution)


def drop_requirement(file: Path, data: bytes, distribution: str, extra: str) -> bytes:
    """Return ``pyproject.toml`` without an extra of a distribution, or without the distribution if `extra` is empty.

    Raises:
        PackageError: ``X07PKG_EDIT``.
    """
    from packaging.requirements import Requirement

    def change(text: str) -> str:
        one = Requirement(text)
        if not extra:
            return ""
        one.extras -= {extra}
        return text if str(one) == str(Requirement(text)) else str(one)

    return _requirements(file, data, distribution, change, None)


def named_distributions(lists: Iterable[object]) -> set[str]:
    """Return the normalized names in lists of requirements; what is no list or no requirement is passed over."""
    return {_name(text) for rows in lists if isinstance(rows, list) for text in rows if isinstance(text, str)} - {""}


def required_distributions(data: bytes) -> set[str]:
    """Return the normalized names of what a ``pyproject.toml`` requires."""
    document = parse_toml(data.decode("utf-8"))
    listed = document.get("project", {}).get("dependencies", [])
    table = document.get("tool", {}).get("poetry", {}).get("dependencies", {})
    return {_name(text) for text in listed} | {normalized(name) for name in table}


def direct_references(data: bytes) -> dict[str, str]:
    """Return requirements with a URL of a ``pyproject.toml``, by normalized name."""
    from packaging.requirements import Requirement

    listed = parse_toml(data.decode("utf-8")).get("project", {}).get("dependencies", [])
    return {_name(text): text for text in listed if _name(text) and Requirement(text).url}


def is_exact(data: bytes, distribution: str) -> bool:
    """Tell whether a ``pyproject.toml`` requires one exact version of a distribution."""
    from packaging.requirements import InvalidRequirement, Requirement

    document = parse_toml(data.decode("utf-8"))
    texts = [str(text) for text in document.get("project", {}).get("dependencies", []) if _name(text) == distribution]
    table = document.get("tool", {}).get("poetry", {}).get("dependencies", {})
    for name, value in table.items():
        version = str(value.get("version", "*") if isinstance(value, dict) else value)
        if normalized(name) == distribution and version.startswith("=="):
            texts.append(f"{distribution}{version}")
    try:
        signs = [one.operator for text in texts for one in Requirement(text).specifier]
    except InvalidRequirement:
        return False
    return "==" in signs


def _name(requirement: str) -> str:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return normalized(Requirement(requirement).name)
    except InvalidRequirement:
        return ""


def _requirements(file: Path, data: bytes, distribution: str, change: Callable[[str], str], new: str | None) -> bytes:
    """Change the entry of a distribution by its text; `new` is changed and put in where there is none."""
    document = parse_toml(data.decode("utf-8"))
    project = document.get("project", {})
    if "project" in document and "dependencies" not in project.get("dynamic", ()) and not _only_poetry(document):
        return _edited(file, data, lambda one: _in_list(one["project"], distribution, change, new))
    if "dependencies" in document.get("tool", {}).get("poetry", {}):
        place = ("tool", "poetry", "dependencies")
        inline = _is_inline(data, place, distribution)
        return _edited(
            file, data, lambda one: _in_table(_descend(one, place), distribution, change, new, inline=inline)
        )
    if "project" in document and new is not None:
        raise PackageError(
            "X07PKG_EDIT",
            "the dependencies of the project are filled in when it is built",
            where=str(file),
            hint=f"add {change(new)} where they come from, then run x07 pkg sync",
        )
    return data


def _only_poetry(document: dict[str, Any]) -> bool:
    """Tell whether poetry takes dependencies from its own table: it does so until ``[project]`` lists the first."""
    project, table = document.get("project", {}), document.get("tool", {}).get("poetry", {}).get("dependencies", {})
    listed = project.get("dependencies") or project.get("optional-dependencies")
    return bool(table.keys() - {"python"}) and not listed


def _in_list(project: Any, distribution: str, change: Callable[[str], str], new: str | None) -> None:
    rows = project.get("dependencies", [])
    at = next((number for number, text in enumerate(rows) if _name(str(text)) == distribution), None)
    if at is not None:
        text = change(str(rows[at]))
        if not text:
            del rows[at]
        elif text != rows[at]:
            rows[at] = text
    elif new is not None and "dependencies" in project:
        rows.append(change(new))
    elif new is not None:
        project["dependencies"] = [change(new)]


def _in_table(table: Any, distribution: str, change: Callable[[str], str], new: str | None, *, inline: bool) -> None:
    """The same in a table of poetry: a name to versions, to a table of a source and extras, or to rows of these."""
    from packaging.requirements import Requirement

    key = next((name for name in table if normalized(name) == distribution), None)
    if key is None and new is None:
        return
    text = change(distribution if new is None or key is not None else new)
    value = "*" if key is None else table[key]
    if not text:
        del table[key]
    elif isinstance(value, str):
        one = Requirement(text)
        row = {"version": str(one.specifier) or str(value), "extras": sorted(one.extras)}
        table[key or distribution] = _inline(row, table) if one.extras else row["version"]
    elif isinstance(value, MutableMapping):
        had_extras = "extras" in value
        _in_row(value, distribution, change)
        if had_extras and inline and value.keys() == {"version"}:
            table[key] = str(value["version"])
    else:
        _refuse_versions(distribution, value, Requirement(text))
        for row in value:
            _in_row(row, distribution, change)


def _in_row(row: Any, distribution: str, change: Callable[[str], str]) -> None:
    """Change extras and versions in a table of poetry; one with a source has no versions."""
    from packaging.requirements import Requirement
    from tomlkit.items import InlineTable

    before = [str(name) for name in row.get("extras", ())]
    one = Requirement(change(f"{distribution}[{','.join(before)}]"))
    if str(one.specifier) and not row.keys() & _SOURCES:
        row["version"] = str(one.specifier)
    kept = [name for name in before if name in one.extras] + sorted(one.extras - {*before})
    if kept and "extras" not in row and isinstance(row, InlineTable) and not _is_padded(row):
        row.append("extras", kept)  # with a space behind the comma
    elif kept:
        row["extras"] = kept
    elif "extras" in row:
        del row["extras"]
        _close_gap(row)


def _close_gap(row: Any) -> None:
    """Take out the space that a removed last entry leaves before the brace, where none stands behind the first."""
    from tomlkit.items import InlineTable, Whitespace

    if not isinstance(row, InlineTable):
        return
    body = row.value.body
    padded = _is_padded(row)
    while body and body[-1][0] is None:
        body.pop()
    if padded:
        body.append((None, Whitespace(" ")))


def _is_padded(row: Any) -> bool:
    from tomlkit.items import Whitespace

    return bool(row.value.body) and isinstance(row.value.body[0][1], Whitespace)


def _is_inline(data: bytes, place: Sequence[str], distribution: str) -> bool:
    """Tell whether an entry is a table in braces, which a text can stand for."""
    import tomlkit
    from tomlkit.items import InlineTable

    table = _descend(tomlkit.parse(data.decode("utf-8")), place)
    return any(normalized(name) == distribution and isinstance(table[name], InlineTable) for name in table)


def _refuse_versions(distribution: str, rows: Any, wanted: Requirement) -> None:
    if str(wanted.specifier) and any(not row.keys() & _SOURCES for row in rows):
        raise PackageError(
            "X07PKG_EDIT",
            f"tool.poetry.dependencies has {len(rows)} rows of {distribution}, each with versions of its own",
            where=PYPROJECT,
            hint=f"change the rows by hand, then run the command without a version: x07 pkg add {distribution}",
        )


def _inline(fields: dict[str, Any], beside: Any) -> Any:
    if type(beside) is dict:
        return fields
    import tomlkit

    table = tomlkit.inline_table()
    table.update(fields)
    return table


def _edited(file: Path, data: bytes, change: Change, may_end: Sequence[str] = ()) -> bytes:
    """Make a change; the tables on the path `may_end` may be gone afterwards, if nothing is left in them."""
    import tomlkit

    text = data.decode("utf-8")
    wanted, document = parse_toml(text), tomlkit.parse(text)
    change(wanted)
    change(document)
    edited = _tidied(text, document, wanted)
    for depth in range(len(may_end), 0, -1):
        table = _descend(wanted, may_end[: depth - 1])
        if _parses_to(edited, wanted) or table[may_end[depth - 1]]:
            break
        del table[may_end[depth - 1]]  # a table that only dotted keys made ends with the last of them
        edited = _tidied(text, document, wanted)
    if not _parses_to(edited, wanted):
        raise PackageError(
            "X07PKG_EDIT",
            "the manifest is written in a way that cannot be edited safely",
            where=str(file),
            hint=f"write its dependencies as a table [{'.'.join(_place(file))}]",
        )
    return edited.encode()


def _place(file: Path) -> tuple[str, ...]:
    return ("tool", "x07", "dependencies") if file.name == PYPROJECT else ("dependencies",)


def _descend(document: Any, place: Sequence[str], *, create: bool = False) -> Any:
    for key in place:
        if create and key not in document:
            document[key] = {}
        document = document.get(key) if isinstance(document, MutableMapping) else None
    return document


def _with_new_table(text: str, place: Sequence[str], name: str, requirement: str) -> str:
    import tomlkit

    end = line_end(text)
    entry = tomlkit.document()
    entry[name] = requirement
    gap = "" if not text else end if text.endswith("\n") else end * 2
    return f"{text}{gap}[{'.'.join(place)}]{end}{tomlkit.dumps(entry).strip()}{end}"


def _tidied(text: str, document: Any, wanted: dict[str, Any]) -> str:
    """Return `text` with the one change that `document` has: in the right place, with the line end of the file."""
    import tomlkit

    old, new = text.splitlines(keepends=True), tomlkit.dumps(document).splitlines(keepends=True)
    codes = SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes()
    for start, end, new_start, new_end in _smallest_first(code[1:] for code in codes if code[0] != "equal"):
        lines = [line.rstrip("\r\n") + line_end(text) for line in new[new_start:new_end] if line.strip()]
        for at in (_up_to_table(old, start), start) if start == end else (start,):
            edited = "".join([*old[:at], *lines, *old[at if start == end else end :]])
            if _parses_to(edited, wanted):
                return edited
    return with_line_ends_of(text, "".join(new))


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
        return parse_toml(text) == wanted
    except ValueError:
        return False
