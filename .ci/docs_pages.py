"""Pages of the documentation that are made from the source while the site is built: commands, files, worlds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

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
ROOT = Path(__file__).parents[1]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages; MkDocs calls this as a hook."""
    for path, make in (
        ("reference/commands.md", commands_page),
        ("reference/files.md", files_page),
        ("reference/worlds.md", worlds_page),
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
