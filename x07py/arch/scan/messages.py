"""Names of contracts in calls of x07py's public functions: topics, queues, profiles, as far as constants tell them."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from x07py.arch.scan.scopes import argument, text_constants
from x07py.arch.scan.syntax import Reader, constant_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.arch.model import ContractName

_WORD = re.compile(r"\b(?:Envelope|open_driver|consume|pump|PumpOptions)\b")
_PUBLIC = {
    "Envelope": ("topic", 0, "topic"),
    "PumpOptions": ("topic", None, "dead_letter"),
    "pump": ("source", None, "topics"),
    "open_driver": ("profile", None, "profile"),
}
"""By public name: what its argument names, and where that stands."""
_CONSUME = ("source", 0, "sources")
CONSTANT = "constant "
"""How the kind of a row begins that gives a text to a name of the module, for others to import."""
ELSEWHERE = "="
"""How a text begins that is the full name of a constant of another module."""


def contract_names(text: str, package: str) -> tuple[ContractName, ...]:
    """Return what a module's calls name, and its constants, for a module that mentions x07py.

    Raises:
        SyntaxError, ValueError, RecursionError: the file is not Python.
    """
    reader = Reader(text, package, deep=False)
    constants = text_constants(reader.tree)
    rows: list[ContractName] = [(CONSTANT + name, value, 0) for name, value in sorted(constants.items())]
    if _WORD.search(text):
        names = _Names(reader, constants)
        rows += [row for node in ast.walk(reader.tree) if isinstance(node, ast.Call) for row in names.of_call(node)]
    return tuple(rows)


class _Names:
    def __init__(self, reader: Reader, constants: dict[str, str]) -> None:
        self._reader = reader
        self._constants = constants

    def of_call(self, node: ast.Call) -> Iterator[ContractName]:
        full = self._reader.dotted(node.func) or ""
        meaning = _PUBLIC.get(full.rpartition(".")[2]) if full.startswith("x07py.") else None
        if meaning is None and isinstance(node.func, ast.Attribute) and node.func.attr == "consume":
            meaning = _CONSUME
        if meaning is None:
            return
        kind, place, name = meaning
        value = argument(node, place, name)
        for one in value.elts if isinstance(value, ast.List | ast.Tuple | ast.Set) else [value]:
            if one is not None and (text := self._text(one)):
                yield kind, text, self._reader.offset(one)

    def _text(self, node: ast.expr) -> str:
        """Return the text that an expression is, where a constant of another module stands, or nothing."""
        if isinstance(node, ast.Name) and node.id in self._constants:
            return self._constants[node.id]
        full = self._reader.dotted(node) if isinstance(node, ast.Name | ast.Attribute) else None
        if full is not None and not full.startswith("builtins."):
            return ELSEWHERE + full
        return constant_text(node) or ""
