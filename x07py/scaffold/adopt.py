"""x07 for a project that is there already: the manifest table, a first architecture manifest, the pytest plugin."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import tomlkit

from x07py._version import __version__
from x07py.arch.init import first_manifest
from x07py.arch.project import MANIFEST_PATH
from x07py.contracts.project import PYPROJECT, STANDALONE
from x07py.errors import FileError, UsageError
from x07py.files import MANIFEST_BYTES, read_file, replace_file, with_line_ends_of

if TYPE_CHECKING:
    from pathlib import Path

_NAME_OF = re.compile(r"\s*([A-Za-z0-9._-]+)")


def adopt_project(root: Path) -> list[str]:
    """Add what is missing of x07 to the project at `root`, and change nothing else.

    The plugin comes with the distribution x07py, which goes to the group ``dev``; an ``x07.toml`` stands in for
    ``[tool.x07]``. What is there stays as it is, so a second call changes nothing.

    Returns:
        What was added, a line each.

    Raises:
        UsageError: ``X07_INIT_NO_PROJECT`` without a ``pyproject.toml``, or if that is not TOML.
        ArchError: ``E_ARCH_INIT_EMPTY`` if there is no module.
        FileError: ``X07IO_READ``, ``X07IO_WRITE``.
    """
    file = root / PYPROJECT
    text = _read(file)
    try:
        document = tomlkit.parse(text)
        added = _add_table(document, root) + _add_plugin(document)
        changed = tomlkit.dumps(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            "X07_INIT_NO_PROJECT", f"cannot be meant: {error}", where=str(file), hint="correct the file first"
        ) from None
    if not (root / MANIFEST_PATH).exists():
        first = first_manifest(root)
        added.append(f"{MANIFEST_PATH} and its lock, with {first.nodes} nodes")
        added += [f"left out of it, in scan.exclude: {pattern}" for pattern in first.excluded]
    if changed != text:
        replace_file(file, with_line_ends_of(text, changed).encode("utf-8"), root=root)
    return added


def _read(file: Path) -> str:
    try:
        return read_file(file, limit=MANIFEST_BYTES, root=file.parent).decode("utf-8")
    except FileNotFoundError:
        raise UsageError(
            "X07_INIT_NO_PROJECT",
            f"there is no {PYPROJECT}",
            where=str(file.parent),
            hint="run this in a project, or make one: `x07 init NAME --template worker`",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise FileError("X07IO_READ", f"cannot read: {error}", where=str(file), hint="check the file") from None


def _add_table(document: tomlkit.TOMLDocument, root: Path) -> list[str]:
    if "x07" in document.get("tool", {}) or (root / STANDALONE).exists():
        return []
    tool = document.setdefault("tool", tomlkit.table(is_super_table=True))
    table = tomlkit.table()
    table["world"] = "run-os"
    tool["x07"] = table
    return [f"[tool.x07] in {PYPROJECT}"]


def _add_plugin(document: tomlkit.TOMLDocument) -> list[str]:
    groups: Any = document.get("dependency-groups", {})
    project: Any = document.get("project", {})
    optional: Any = project.get("optional-dependencies", {})
    lists = [project.get("dependencies", []), *groups.values(), *optional.values()]
    if any(_name(row) == "x07py" for rows in lists for row in rows if isinstance(row, str)):
        return []
    wanted = f"x07py>={__version__}"
    for place, table in (("dependency-groups", groups), ("project.optional-dependencies", optional)):
        for group in ("dev", "test", "tests"):
            if group in table:
                table[group].append(wanted)
                return [f"{wanted} in {place}.{group} of {PYPROJECT}: the pytest plugin"]
    if not groups:
        groups = document["dependency-groups"] = tomlkit.table()
    groups["dev"] = [wanted]
    return [f"{wanted} in dependency-groups.dev of {PYPROJECT}: the pytest plugin"]


def _name(requirement: str) -> str:
    found = _NAME_OF.match(requirement)
    return re.sub(r"[._-]+", "-", found[1]).lower() if found else ""
