"""Nodes for names that other tools overlap: a module belongs to one node, that of the deepest name around it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from x07py.arch.first_manifest import fresh_node
from x07py.arch.manifest import is_below
from x07py.arch.scan.patterns import literal_glob

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from x07py.arch.model import Module


class Partition:
    """The nodes of a project for some dotted names, each with the modules that no deeper name holds.

    Args:
        modules: the project's modules by id.
        names: dotted names; those below which there is no module are left out.
    """

    def __init__(self, modules: Mapping[str, Module], names: Iterable[str]) -> None:
        self._modules = modules
        wanted = {name for name in names if any(is_below(one, name) for one in modules)}
        tops = {one.partition(".")[0] for one in modules}
        self.names: list[str] = sorted(wanted | {top for top in tops if not any(is_below(top, one) for one in wanted)})
        self._owned: dict[str, list[Module]] = {name: [] for name in self.names}
        for module in modules.values():
            owner = max((name for name in self.names if is_below(module.id, name)), key=len)
            self._owned[owner].append(module)

    def group(self, name: str) -> list[str]:
        """Return the ids of the nodes that hold a name and what lies below it."""
        return [_id(one) for one in self.names if is_below(one, name) and self._owned[one]]

    def nodes(self) -> list[dict[str, Any]]:
        """Return the nodes, of one that holds others with the parts that they leave."""
        return [self._node(name) for name in self.names if self._owned[name]]

    def _node(self, name: str) -> dict[str, Any]:
        inner = [one for one in self.names if one != name and is_below(one, name)]
        if not inner:
            return fresh_node(_id(name), "run-os", [name])
        prefixes: set[str] = set()
        globs: list[str] = []
        for module in self._owned[name]:
            part = _widest(module.id, name, inner)
            if any(is_below(one, module.id) for one in inner):
                globs.append(literal_glob(module.path))
            else:
                prefixes.add(part)
        return fresh_node(_id(name), "run-os", sorted(prefixes), sorted(globs))


def _widest(module_id: str, name: str, inner: list[str]) -> str:
    """Return the shortest name around a module, below `name`, that holds none of the inner names."""
    parts = module_id.split(".")
    for length in range(name.count(".") + 1, len(parts) + 1):
        part = ".".join(parts[:length])
        if not any(is_below(one, part) for one in inner):
            return part
    return module_id


def _id(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip("._-")[:128] or "node"
