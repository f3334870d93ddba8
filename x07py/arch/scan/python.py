"""Reading a Python module: nothing is imported, nothing runs. A syntax tree is made where the answer needs one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from x07py.arch.model import Module
from x07py.arch.scan.lexer import lexical_imports

if TYPE_CHECKING:
    from x07py.arch.model import Depth

_DYNAMIC_WORDS = ("import_module", "__import__", "resolve_name")
_BYTES_WORD = re.compile(r"\b(?:bytes|bytearray|memoryview)\b")


def package_of(module_id: str, path: str) -> str:
    """Return the dotted name of the package that a module's relative imports start from."""
    return module_id if path.rpartition("/")[2] == "__init__.py" else module_id.rpartition(".")[0]


def scan_python(text: str, module_id: str, path: str, depth: Depth) -> Module:
    """Return what a Python file says.

    Args:
        text: the file's text with ``\\n`` line ends.
        module_id: dotted name of the module.
        path: path of the file below the project root.
        depth: how much is needed. What needs no syntax tree is read without one, so that a fault which does not touch
            the imports of a module is not found at depth 0.

    Raises:
        SyntaxError, ValueError, RecursionError: the file is not Python.
    """
    package = package_of(module_id, path)
    by_name = any(word in text for word in _DYNAMIC_WORDS)
    if depth < 2 and not by_name and not (depth and _BYTES_WORD.search(text)):
        imports = lexical_imports(text, package)
        if imports is not None:
            return Module(module_id, path, tuple(imports))
    from x07py.arch.scan.syntax import scan_tree

    try:
        return scan_tree(text, module_id, path, package, depth, by_name=by_name)
    except SyntaxError:
        if depth == 2 or (depth and _BYTES_WORD.search(text)):
            raise
    from x07py.arch.scan.tokens import token_imports

    return Module(module_id, path, tuple(token_imports(text, package)), lexical=True)
