"""Reading a Python module with its syntax tree: nothing is imported, nothing runs."""

from __future__ import annotations

import ast
from itertools import accumulate
from typing import TYPE_CHECKING

from x07py.arch.model import Module
from x07py.arch.scan.names import absolute
from x07py.arch.scan.tokens import relative_name
from x07py.files import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.arch.model import BareBytes, Depth, Import, ImportKind

_IMPORTERS = {"importlib.import_module", "builtins.__import__", "importlib.__import__", "pkgutil.resolve_name"}
_BYTES = {"bytes", "bytearray", "memoryview"}
_SWITCHES = {"TYPE_CHECKING"}
_GUARDS = {"typing.TYPE_CHECKING", "typing_extensions.TYPE_CHECKING"}


def scan_tree(text: str, module_id: str, path: str, package: str, depth: Depth, *, by_name: bool) -> Module:
    """Return what a Python file says.

    Args:
        text: the file's text with ``\\n`` line ends.
        module_id: dotted name of the module.
        path: path of the file below the project root.
        package: dotted name of the package that relative imports start from.
        depth: how much is needed.
        by_name: whether the module may import by name.

    Raises:
        SyntaxError, ValueError, RecursionError: the file is not Python.
    """
    reader = Reader(text, package, deep=by_name, module_id=module_id)
    reader.imports.sort(key=_position)
    exports = tuple(_exports(reader.tree)) if depth else ()
    return Module(module_id, path, tuple(reader.imports), exports, tuple(_bare_bytes(reader)) if depth else ())


def tree_imports(text: str, package: str) -> list[Import]:
    """Return the import statements of a Python file as its syntax tree has them, in their order.

    Raises:
        SyntaxError, ValueError, RecursionError: the file is not Python.
    """
    return sorted(Reader(text, package, deep=False).imports, key=_position)


def _position(row: Import) -> int:
    return row[3]


class Reader:
    """Walks the tree once, with the names that imports bind.

    Args:
        text: the file's text.
        package: dotted name of the package that relative imports start from.
        deep: whether to look for imports by name too, which stand in expressions.
        module_id: dotted name of the module.

    Raises:
        SyntaxError, ValueError, RecursionError: the file is not Python.
    """

    def __init__(self, text: str, package: str, *, deep: bool, module_id: str = "") -> None:
        self.tree: ast.Module = parsed(text)
        self._lines = text.split("\n")
        self._starts = [0, *accumulate(len(line) + 1 for line in self._lines)]
        self.package = package
        self._module_id = module_id
        self.imports: list[Import] = []
        nodes = list(ast.walk(self.tree)) if deep else _statements(self.tree)
        self.aliases: dict[str, str] = self._aliases(nodes)
        self.bound: set[str] = _bound(nodes)
        self.type_only: set[int] = _type_only(nodes, self)
        for node in nodes:
            self._import(node)
            if isinstance(node, ast.Call) and (name := self.dotted(node.func)) in _IMPORTERS:
                self._imported_by_name(str(name), node)

    def offset(self, node: ast.stmt | ast.expr | ast.arg) -> int:
        """Return where a node starts in the text."""
        line, column = node.lineno - 1, node.col_offset
        source = self._lines[line]
        if not source.isascii():
            column = len(source.encode()[:column].decode())
        return self._starts[line] + column

    def _aliases(self, nodes: list[ast.AST]) -> dict[str, str]:
        names: dict[str, str] = {}
        for node in nodes:
            if isinstance(node, ast.Import):
                for item in node.names:
                    names[item.asname or item.name.partition(".")[0]] = (
                        item.name if item.asname else item.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                base = self._base(node)
                names.update((item.asname or item.name, f"{base}.{item.name}") for item in node.names)
        return names

    def _base(self, node: ast.ImportFrom) -> str:
        return absolute(self.package, node.level, node.module or "")

    def dotted(self, node: ast.AST) -> str | None:
        """Return the full name that an expression means, if imports alone tell it."""
        if isinstance(node, ast.Name):
            if node.id in self.aliases:
                return self.aliases[node.id]
            return None if node.id in self.bound else f"builtins.{node.id}"
        if isinstance(node, ast.Attribute):
            base = self.dotted(node.value)
            return f"{base}.{node.attr}" if base and not base.startswith("builtins.") else None
        if isinstance(node, ast.Call) and len(node.args) >= 2 and self.dotted(node.func) == "builtins.getattr":
            base, name = self.dotted(node.args[0]), constant_text(node.args[1])
            return f"{base}.{name}" if base and name and not base.startswith("builtins.") else None
        return None

    def _import(self, node: ast.AST) -> None:
        kind: ImportKind = "type" if id(node) in self.type_only else "run"
        if isinstance(node, ast.Import):
            self.imports += [(item.name, (), kind, self.offset(node)) for item in node.names]
        elif isinstance(node, ast.ImportFrom) and (base := self._base(node)):
            names = tuple(item.name for item in node.names if item.name != "*")
            self.imports.append((base, names, kind, self.offset(node)))

    def _imported_by_name(self, name: str, call: ast.Call) -> None:
        target = constant_text(call.args[0]) if call.args else None
        base = self._by_name(name, call, target) if target else None
        if base:
            self.imports.append((base, (), "dynamic", self.offset(call)))

    def _by_name(self, importer: str, call: ast.Call, target: str) -> str | None:
        """Return what an import by a constant name imports; a relative one needs a package that is known."""
        if not target.startswith("."):
            return target.partition(":")[0]
        package = call.args[1] if len(call.args) > 1 else None
        package = next((one.value for one in call.keywords if one.arg == "package"), package)
        if importer != "importlib.import_module" or package is None:
            return None
        if isinstance(package, ast.Name) and package.id == "__package__" and "__package__" not in self.bound:
            return relative_name(self.package, target)
        if isinstance(package, ast.Name) and package.id == "__name__" and self.package == self._module_id:
            return relative_name(self.package, target)
        base = constant_text(package)
        return relative_name(base, target) if base else None


def _statements(tree: ast.Module) -> list[ast.AST]:
    """Return all statements, also nested ones; expressions hold none."""
    found: list[ast.AST] = []
    rest: list[ast.AST] = list(reversed(tree.body))
    while rest:
        node = rest.pop()
        found.append(node)
        for name in ("body", "handlers", "orelse", "finalbody", "cases"):
            inner = getattr(node, name, None)
            if isinstance(inner, list):
                rest += inner
    return found


def constant_text(node: ast.AST) -> str | None:
    """Return the text of a string constant or of a sum of string constants, else None."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = constant_text(node.left), constant_text(node.right)
        return None if left is None or right is None else left + right
    return None


def _bound(nodes: list[ast.AST]) -> set[str]:
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
    return names


def _type_only(nodes: list[ast.AST], reader: Reader) -> set[int]:
    """Return the nodes that run for type checkers only."""
    marked: set[int] = set()
    off = _switched_off(nodes)
    for node in nodes:
        if not isinstance(node, ast.If):
            continue
        negated = isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
        test = node.test.operand if isinstance(node.test, ast.UnaryOp) else node.test
        guard = reader.dotted(test) in _GUARDS and not _is_set(nodes, test)
        if guard or (isinstance(test, ast.Name) and test.id in off):
            marked.update(id(inner) for child in (node.orelse if negated else node.body) for inner in ast.walk(child))
    return marked


def _is_set(nodes: list[ast.AST], test: ast.expr) -> bool:
    """Tell whether a module sets what its condition asks for to something of its own."""
    for node in nodes:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for part in (inner for target in targets if target is not None for inner in ast.walk(target)):
            name = part.id if isinstance(part, ast.Name) else part.attr if isinstance(part, ast.Attribute) else ""
            if name in _SWITCHES and isinstance(part, type(test)):
                return True
    return False


def _switched_off(nodes: list[ast.AST]) -> set[str]:
    """Return the names among those that type checkers take for true which the module itself sets to false, for good."""
    values: dict[str, list[ast.expr | None]] = {}
    for node in nodes:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name) and target.id in _SWITCHES:
                values.setdefault(target.id, []).append(node.value)
    return {
        name
        for name, found in values.items()
        if all(isinstance(one, ast.Constant) and one.value is False for one in found)
    }


def _exports(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


def _bare_bytes(reader: Reader) -> Iterator[BareBytes]:
    for node in reader.tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        for argument in arguments:
            kind = _bytes_type(argument.annotation)
            if kind:
                yield node.name, argument.arg, kind, reader.offset(argument)
        kind = _bytes_type(node.returns)
        if kind:
            yield node.name, "", kind, reader.offset(node)


def _bytes_type(annotation: ast.expr | None) -> str | None:
    """Return the annotation's text if it is bare bytes, also in a union with others."""
    if isinstance(annotation, ast.BinOp):
        return _bytes_type(annotation.left) or _bytes_type(annotation.right)
    text = constant_text(annotation) if annotation else None
    name = annotation.id if isinstance(annotation, ast.Name) else text
    return name if name in _BYTES else None
