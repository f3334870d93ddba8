"""A made-up project in five layers, legal by every rule of the bench, and its configuration for each tool."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

from x07py.arch.first_manifest import fresh_manifest, fresh_node

if TYPE_CHECKING:
    from pathlib import Path

LAYERS = ("base", "store", "domain", "service", "web")
"""The lowest first."""
_AREAS = 20
_IMPORTS = 8
_LIBRARY = ("json", "re", "math", "itertools", "functools", "collections", "datetime", "typing", "enum", "logging")
_OUTSIDE = ("requests", "pydantic", "aio_pika", "confluent_kafka", "numpy")
_FORBIDDEN = ("flask", "django")
_BODY = "".join(
    f"    def step_{number}(self, first: int, second: str = 'x', *rest: object) -> dict[str, object]:\n"
    f"        found: dict[str, object] = {{'number': {number}, 'first': first}}\n"
    "        for place in range(first):\n"
    "            found[str(place)] = [place * each for each in range(place) if each % 2]\n"
    "        return found\n\n"
    for number in range(12)
)


def make_tree(root: Path, modules: int, seed: int = 11) -> int:
    """Write a package of `modules` files, ``__init__`` included, and the rules; return how many imports it has."""
    random_source = random.Random(seed)
    package = root / "src" / "shop"
    folders = [package, *(package / layer for layer in LAYERS)]
    folders += [package / layer / f"area{number:02}" for layer in LAYERS for number in range(_AREAS)]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("", encoding="utf-8")
    made: list[list[str]] = [[] for _ in LAYERS]
    edges = 0
    for number in range(modules - len(folders)):
        level, area = number % len(LAYERS), number // len(LAYERS) % _AREAS
        own = f"shop.{LAYERS[level]}.area{area:02}.part{number:05}"
        below = [name for names in made[:level] for name in names[-400:]] or made[level]
        targets = sorted({random_source.choice(below) for _ in range(_IMPORTS)}) if below else []
        edges += len(targets)
        lines = [f'"""Part {number}."""', "", "from __future__ import annotations", ""]
        lines += [f"import {name}" for name in sorted(random_source.sample(_LIBRARY, 3))]
        lines += ["", f"import {random_source.choice(_OUTSIDE)}"]
        lines += [
            f"from {name} import Part as Part{index}" if index % 2 else f"import {name}"
            for index, name in enumerate(targets)
        ]
        text = "\n".join(lines) + "\n\n\nclass Part:\n" + _BODY
        (root / "src" / f"{own.replace('.', '/')}.py").write_text(text, encoding="utf-8")
        made[level].append(own)
    _write_rules(root)
    return edges


def _write_rules(root: Path) -> None:
    """The same two rules for each tool: the layers, and that the lowest does not import a web framework."""
    (root / "arch").mkdir()
    (root / "arch" / "manifest.x07arch.json").write_text(json.dumps(_manifest(), indent=2), encoding="utf-8")
    listed = "\n    ".join(f"shop.{layer}" for layer in reversed(LAYERS))
    forbidden = "\n    ".join(_FORBIDDEN)
    (root / ".importlinter").write_text(
        "[importlinter]\nroot_package = shop\ninclude_external_packages = True\n"
        f"[importlinter:contract:1]\nname = layers\ntype = layers\nlayers =\n    {listed}\n"
        "[importlinter:contract:2]\nname = no web\ntype = forbidden\n"
        f"source_modules =\n    shop.base\nforbidden_modules =\n    {forbidden}\n",
        encoding="utf-8",
    )
    names = ", ".join(f'"{layer}"' for layer in reversed(LAYERS))
    parts = "".join(
        f'[[modules]]\npath = "shop.{layer}"\nlayer = "{layer}"\n'
        + (f"cannot_depend_on_external = {list(_FORBIDDEN)}\n" if layer == "base" else "")
        for layer in LAYERS
    )
    (root / "tach.toml").write_text(f'source_roots = ["src"]\nlayers = [{names}]\n{parts}', encoding="utf-8")


def _manifest() -> dict[str, Any]:
    def node(name: str, prefixes: list[str], globs: list[str], denied: list[str]) -> dict[str, Any]:
        return {
            **fresh_node(name, "run-os", prefixes, globs),
            "imports": {"deny_prefixes": denied, "allow_prefixes": []},
        }

    nodes = [
        node("top", [], ["src/shop/__init__.py"], []),
        *(node(one, [f"shop.{one}"], [], list(_FORBIDDEN) if one == "base" else []) for one in LAYERS),
    ]
    rules = [{"kind": "layers_v1", "id": "layers", "layers": list(LAYERS), "direction": "down"}]
    whole = fresh_manifest("bench", nodes, rules, _OUTSIDE)
    return {**whole, "tool_budgets": {"max_modules": 100_000, "max_edges": 1_000_000, "max_diags": 2000}}
