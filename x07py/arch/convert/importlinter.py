"""The contracts of import-linter (``.importlinter``, ``setup.cfg``, ``pyproject.toml``) as rules of a manifest."""

from __future__ import annotations

import configparser
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.arch.convert.partition import Partition
from x07py.arch.scan.patterns import compile_dotted
from x07py.errors import ArchError
from x07py.files import MANIFEST_BYTES, parse_toml, read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from x07py.arch.model import Module

_LISTS = frozenset(
    (
        "containers",
        "ignore_imports",
        "layers",
        "modules",
        "source_modules",
        "forbidden_modules",
        "protected_modules",
        "allowed_importers",
    )
)
_REASON = "taken over from import-linter"


class Converted(NamedTuple):
    """What a manifest takes over.

    Args:
        parts: fields of the manifest: nodes, rules, scan.
        left_out: what has no counterpart, a line each.
    """

    parts: dict[str, Any]
    left_out: list[str]


def from_importlinter(file: Path, modules: Mapping[str, Module]) -> Converted:
    """Return the nodes and rules for the contracts in a file.

    Raises:
        ArchError: ``E_ARCH_CONVERT`` if it cannot be read, or has no contract.
    """
    options, contracts = _read(file)
    if not contracts:
        raise ArchError(
            "E_ARCH_CONVERT", "the file has no contract of import-linter", where=str(file), hint="name another file"
        )
    left_out: list[str] = []
    rows = list(_plain(contracts, left_out))
    partition = Partition(modules, (name for row in rows for name in _mentioned(row, modules)))
    rules = [rule for row in rows for rule in _RULES[row["type"]](row, partition)]
    type_imports = str(options.get("exclude_type_checking_imports", "")).lower() != "true"
    return Converted({"nodes": partition.nodes(), "rules": rules, "scan": {"type_imports": type_imports}}, left_out)


def _read(file: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        text = read_file(file, limit=MANIFEST_BYTES).decode()
        if file.suffix == ".toml":
            table = parse_toml(text).get("tool", {}).get("importlinter", {})
            return table, [dict(row) for row in table.get("contracts", [])]
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(text)
    except (OSError, ValueError, AttributeError, TypeError, configparser.Error) as error:
        raise ArchError(
            "E_ARCH_CONVERT", f"cannot be read: {error}", where=str(file), hint="correct the file first"
        ) from None
    options = dict(parser["importlinter"]) if parser.has_section("importlinter") else {}
    sections = [name for name in parser.sections() if name.startswith("importlinter:contract:")]
    return options, [{"id": name.rpartition(":")[2], **parser[name]} for name in sections]


def _plain(contracts: list[dict[str, Any]], left_out: list[str]) -> Iterator[dict[str, Any]]:
    """Yield contracts with lists as lists, one for each container of layers; name what is left out."""
    for place, contract in enumerate(contracts):
        row = {key: _listed(value) if key in _LISTS else value for key, value in contract.items()}
        row["id"] = str(row.get("id") or row.get("name") or f"contract-{place}")[:100]
        if row.get("type") not in _RULES:
            left_out.append(f"contract {row['id']}: type {row.get('type')!r} has no counterpart")
            continue
        if row.get("unmatched_ignore_imports_alerting") not in {None, "error"}:
            left_out.append(f"contract {row['id']}: an exception that excuses nothing is always an error here")
        if row["type"] == "layers" and row.get("containers"):
            for container in row["containers"]:
                layers = [_prefixed(line, container) for line in row["layers"]]
                yield {**row, "id": f"{row['id']}:{container}"[:128], "layers": layers}
        else:
            yield row


def _listed(value: Any) -> list[str]:
    lines = value.splitlines() if isinstance(value, str) else value
    return [line.partition("#")[0].strip() for line in lines if str(line).partition("#")[0].strip()]


def _siblings(line: str) -> tuple[list[str], bool]:
    """Return the modules of a layer, without the brackets of what is optional, and whether they are independent."""
    parts = re.split(r"[|:]", line)
    return [part.strip().strip("()").strip() for part in parts], ":" not in line


def _prefixed(line: str, container: str) -> str:
    separator = "|" if _siblings(line)[1] else ":"
    return f" {separator} ".join(f"{container}.{name}" for name in _siblings(line)[0])


def _mentioned(row: dict[str, Any], modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield the modules that a contract names, those that patterns stand for among them."""
    keys = ("modules", "source_modules", "forbidden_modules", "protected_modules", "allowed_importers")
    names = [name for line in row.get("layers", ()) for name in _siblings(line)[0]]
    names += [name for key in keys for name in row.get(key, ())]
    for name in names:
        yield from _matching(name, modules) if "*" in name else [name]


def _matching(name: str, modules: Mapping[str, Module]) -> list[str]:
    pattern = compile_dotted(name, one="*", many="**", least=1)
    return [one for one in modules if pattern.fullmatch(one)]


def _groups(names: list[str], partition: Partition) -> list[list[str]]:
    found = [name for name in names if "*" not in name]
    for name in names:
        if "*" in name:
            pattern = compile_dotted(name, one="*", many="**", least=1)
            found += [one for one in partition.names if pattern.fullmatch(one)]
    return [group for name in found if (group := partition.group(name))]


def _flat(groups: list[list[str]]) -> list[str]:
    return sorted({name for group in groups for name in group})


def _ignored(row: dict[str, Any]) -> dict[str, Any]:
    pairs = [line.split("->") for line in row.get("ignore_imports", ()) if line.count("->") == 1]
    rows = [{"importer": a.strip(), "imported": b.strip(), "reason": _REASON} for a, b in pairs]
    return {"ignore": rows} if rows else {}


def _layers(row: dict[str, Any], partition: Partition) -> Iterator[dict[str, Any]]:
    layers: list[list[str]] = []
    for place, line in enumerate(reversed(row["layers"])):
        names, independent = _siblings(line)
        groups = _groups(names, partition)
        if groups:
            layers.append(_flat(groups))
        if independent and len(groups) > 1:
            yield {"kind": "independence_v1", "id": f"{row['id']}:{place}"[:128], "nodes": groups, **_ignored(row)}
    if layers:
        yield {"kind": "layers_v1", "id": row["id"], "layers": layers, "direction": "down", **_ignored(row)}


def _independence(row: dict[str, Any], partition: Partition) -> Iterator[dict[str, Any]]:
    groups = _groups(row["modules"], partition)
    if len(groups) > 1:
        yield {"kind": "independence_v1", "id": row["id"], "nodes": groups, **_ignored(row)}


def _forbidden(row: dict[str, Any], partition: Partition) -> Iterator[dict[str, Any]]:
    targets = [(name, _groups([name], partition)) for name in row["forbidden_modules"]]
    indirect = str(row.get("allow_indirect_imports", "")).lower() == "true"
    yield {
        "kind": "forbidden_v1",
        "id": row["id"],
        "from": _flat(_groups(row["source_modules"], partition)),
        "to": _flat([group for _, groups in targets for group in groups]),
        "externals": [name for name, groups in targets if not groups],
        "allow_indirect": indirect,
        **_ignored(row),
    }


def _protected(row: dict[str, Any], partition: Partition) -> Iterator[dict[str, Any]]:
    groups = _groups(row["protected_modules"], partition)
    importers = _flat([*_groups(row.get("allowed_importers", []), partition), *groups])
    yield {
        "kind": "protected_v1",
        "id": row["id"],
        "nodes": _flat(groups),
        "importers": importers,
        **_ignored(row),
    }


_RULES: dict[str, Callable[[dict[str, Any], Partition], Iterator[dict[str, Any]]]] = {
    "layers": _layers,
    "independence": _independence,
    "forbidden": _forbidden,
    "protected": _protected,
}
