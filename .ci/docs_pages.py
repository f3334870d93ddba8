"""Pages of the documentation that are made from the source while the site is built: commands, files, worlds, rooms."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

import x07py
from x07py.worlds import WORLDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

WORLDS_HEAD = """# Worlds

What a program can reach, by the world that it runs in. The environment variable `X07_WORLD` names it; `x07 run`
sets it.

| world | deterministic | network | replays cassettes | files | `x07 run` |
| --- | --- | --- | --- | --- | --- |
"""
FILES_HEAD = """# Files

Every JSON file that x07 reads or writes, field by field, from `schemas/`.
"""
API_HEAD = """# Public names

Everything that `import x07py` offers, from the docstrings. What is not here is private. A failure is caught by
its class, or by `X07Error` for all; each has `code`, `message`, `where`, `hint` and `retryable`.
"""
ROOMS_HEAD = """# The rooms

The packages of x07py, the lowest first, from `arch/manifest.x07arch.json`, which `x07 arch check` holds the source to.
A room imports only what stands above it in this table, and only where the last column lets it.
[The graph](rooms-graph.html) shows each import.

| room | what it is | may be imported by |
| --- | --- | --- |
"""
ROOT = Path(__file__).parents[1]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages; MkDocs calls this as a hook."""
    for path, make in (
        ("reference/api.md", api_page),
        ("reference/commands.md", commands_page),
        ("reference/files.md", files_page),
        ("reference/worlds.md", worlds_page),
        ("explanation/rooms.md", rooms_page),
        ("explanation/rooms-graph.html", rooms_graph),
    ):
        if written := files.get_file_from_path(path):
            files.remove(written)
        files.append(File.generated(config, path, content=make()))
    return files


def commands_page() -> str:
    """Return the page of all commands, from the help texts."""
    parts = ["# Commands\n\nWhat `--help` of each command prints. `x07` and `x07py` are the same program.\n"]
    texts: dict[str, str] = json.loads((ROOT / "x07py/cli/help.json").read_text(encoding="utf-8"))
    for words, text in texts.items():
        parts.append(f"\n{'###' if ' ' in words else '##'} x07 {words}\n\n```text\n{text.strip()}\n```\n")
    return "".join(parts)


def worlds_page() -> str:
    """Return the page of worlds, from the table that checks and runner use."""
    parts = [WORLDS_HEAD]
    parts += [
        f"| `{one.name}` | {_yes(one.solve)} | {_yes(one.network)} | {_yes(one.replay)} | {one.files} | "
        f"{_yes(one.runnable)} |\n"
        for one in WORLDS.values()
    ]
    return "".join(parts)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def rooms_page() -> str:
    """Return the table of rooms, from the manifest and the first line of each package."""
    manifest = json.loads((ROOT / "arch/manifest.x07arch.json").read_text(encoding="utf-8"))
    rows = []
    for node in manifest["nodes"]:
        prefixes, seen = node["match"]["module_prefixes"], node["visibility"]
        names = ", ".join(f"`{one}`" for one in [*prefixes, *node["match"]["path_globs"]])
        by = "every room below" if seen["mode"] == "public" else ", ".join(seen["visible_to"]) or "none"
        rows.append(f"| {node['id']} | {names}: {_about(prefixes)} | {by} |\n")
    return ROOMS_HEAD + "".join(rows)


def _about(prefixes: list[str]) -> str:
    """Return the first paragraph of what the first of some modules says about itself."""
    base = ROOT.joinpath(*(prefixes or ["x07py"])[0].split("."))
    file = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split()).replace("|", "\\|").replace("``", "`")


def rooms_graph() -> str:
    """Return the page that `x07 arch graph` makes of this repository."""
    command = [sys.executable, "-m", "x07py", "arch", "graph", "--format", "html"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def files_page() -> str:
    """Return the page of file formats and reports, from the schemas."""
    parts = [FILES_HEAD]
    for path in sorted((ROOT / "schemas").glob("*.json")):
        schema = json.loads(path.read_text(encoding="utf-8"))
        parts.append(f"\n## {path.name.removesuffix('.schema.json')}\n\n{schema.get('description', '')}\n\n")
        parts.append("| field | value | required |\n| --- | --- | --- |\n")
        parts += [f"| `{name}` | {kind} | {_yes(needed)} |\n" for name, kind, needed in _fields(schema, "", schema)]
    return "".join(parts)


def _fields(schema: dict[str, Any], prefix: str, root: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Yield name, description of the value, and whether it is required, for each field below `schema`."""
    for name, given in schema.get("properties", {}).items():
        field = _resolved(given, root)
        yield prefix + name, _kind(field), name in schema.get("required", [])
        yield from _fields(field, f"{prefix}{name}.", root)
        items = field.get("items")
        if isinstance(items, dict):
            yield from _fields(_resolved(items, root), f"{prefix}{name}[].", root)


def _resolved(schema: Any, root: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref", "") if isinstance(schema, dict) else ""
    if not reference.startswith("#/$defs/"):
        return schema if isinstance(schema, dict) else {}
    found: dict[str, Any] = root["$defs"][reference.removeprefix("#/$defs/")]
    return found if "$ref" not in found.get("items", {}) else {**found, "items": {}}


def _kind(schema: dict[str, Any]) -> str:
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return "one of " + ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    given = schema.get("type", "any")
    text = " or ".join(given) if isinstance(given, list) else str(given)
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None or high is not None:
        text += f", {low if low is not None else ''} to {high if high is not None else 'any'}"
    if schema.get("additionalProperties"):
        text += ", with names of your own"
    return text + (f". {schema['description']}" if schema.get("description") else "")


def api_page() -> str:
    """Return the page of the public names: functions and classes first, then the tree of exceptions."""
    found = {name: getattr(x07py, name) for name in x07py.__all__ if not name.startswith("_")}
    errors = [one for one in found.values() if isinstance(one, type) and issubclass(one, Exception)]
    others = [one for one in found.values() if one not in errors]
    parts = [API_HEAD, "\n## Functions and classes\n\n"]
    parts += [f"::: {one.__module__}.{one.__qualname__}\n\n" for one in others]
    parts.append("## Exceptions\n\n")
    parts += [f"::: {one.__module__}.{one.__qualname__}\n\n" for one in sorted(errors, key=_rank)]
    return "".join(parts)


def _rank(error: type[Exception]) -> tuple[str, ...]:
    """Return what sorts an exception behind the one that it is a kind of."""
    return tuple(one.__name__ for one in reversed(error.__mro__) if one.__module__ == error.__module__)
