"""What is imported has to be declared in ``pyproject.toml``, and what is declared is imported; asked for by a check.

Which distribution an import name belongs to is what the installed ones say, in the environment that x07 runs in; of one
that is not installed, the name of the distribution is taken for that of its package.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import packages_distributions
from typing import TYPE_CHECKING, Any

from x07py.arch.model import finding
from x07py.arch.scan.module_files import PYTHON_SUFFIXES
from x07py.contracts.distributions import normalized
from x07py.files import MANIFEST_BYTES, parse_toml, read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from x07py.arch.graph import Graph
    from x07py.diag import Diagnostic

_PROJECT = "pyproject.toml"
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def check_distributions(root: Path, graph: Graph) -> Iterator[Diagnostic]:
    """Yield imports of distributions that are not declared, and declared ones that nothing imports."""
    project, everything = _declared(root)
    owners = {name: {normalized(one) for one in rows} for name, rows in packages_distributions().items()}
    known = {name for rows in owners.values() for name in rows}
    used: set[str] = set()
    told: set[str] = set()
    for edge in graph.edges():
        top = edge.target.partition(".")[0]
        if edge.internal or not edge.module.path.endswith(PYTHON_SUFFIXES) or top in sys.stdlib_module_names:
            continue
        names = owners.get(top, {normalized(top)})
        used |= names
        if names.isdisjoint(everything) and top not in told:
            told.add(top)
            yield finding(
                "E_ARCH_DISTRIBUTION_UNDECLARED",
                f"{edge.module.id} imports {edge.target} of {' or '.join(sorted(names))}, which is not declared",
                **graph.at(edge),
                hint=f"add it to dependencies in {_PROJECT}, or drop the import",
                data={"module_id": edge.module.id, "module_path": edge.module.path, "import": edge.target},
            )
    for name in sorted(project - used):
        why = "" if name in known else ", as far as its name tells: it is not installed here"
        yield finding(
            "W_ARCH_DISTRIBUTION_UNUSED",
            f"{name} is declared and nothing imports it{why}",
            path=_PROJECT,
            hint="take it out of dependencies; one that is found by entry points is right there",
            data={"name": name},
        )


def _declared(root: Path) -> tuple[set[str], set[str]]:
    """Return the distributions that a project depends on, and all that it declares for any use."""
    try:
        document = parse_toml(read_file(root / _PROJECT, limit=MANIFEST_BYTES, root=root).decode())
    except (OSError, ValueError, RecursionError):
        return set(), set()
    project = _table(document.get("project"))
    own = _names(project.get("dependencies"))
    rows = [*_table(project.get("optional-dependencies")).values(), *_table(document.get("dependency-groups")).values()]
    poetry = _table(_table(document.get("tool")).get("poetry"))
    own |= {normalized(name) for name in _table(poetry.get("dependencies")) if name != "python"}
    groups = [_table(one).get("dependencies") for one in _table(poetry.get("group")).values()]
    return own, own.union(*map(_names, rows), *({normalized(name) for name in _table(one)} for one in groups))


def _names(rows: Any) -> set[str]:
    texts: Iterable[str] = [row for row in rows if isinstance(row, str)] if isinstance(rows, list) else ()
    return {normalized(match[1]) for text in texts if (match := _NAME.match(text))}


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
