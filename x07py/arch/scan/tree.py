"""Walking a project: which files are modules, and what each is called."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from x07py.arch.model import Module, finding
from x07py.arch.scan.cache import ScanCache
from x07py.arch.scan.python import scan_python
from x07py.arch.scan.x07ast import scan_x07ast
from x07py.errors import ArchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from x07py.diag import Diagnostic

INCLUDE = ("**/*.py", "**/*.x07.json")
EXCLUDE = tuple(
    f"**/{name}/**"
    for name in (
        ".agent",
        ".git",
        ".x07",
        "dist",
        "gen",
        "node_modules",
        "target",
        "tmp",
        ".venv",
        "venv",
        "__pycache__",
    )
)


@dataclass(frozen=True, slots=True)
class Scan:
    """Which files are modules: glob patterns of paths below the root; `*` also matches ``/``."""

    include: tuple[str, ...] = INCLUDE
    exclude: tuple[str, ...] = EXCLUDE


def compile_globs(patterns: Sequence[str]) -> re.Pattern[str]:
    """Return one expression that matches a whole path if any pattern does.

    Raises:
        ValueError: a pattern has a bracket that is not closed.
    """
    if not patterns:
        return re.compile(r"(?!)")
    try:
        return re.compile("|".join(f"(?:{_translate(pattern)})" for pattern in patterns), re.DOTALL)
    except re.error as error:
        raise ValueError(f"not a glob pattern: {error}") from None


def _translate(pattern: str) -> str:
    out, at, depth = "", 0, 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**/", at):
            out, at = out + "(?:.*/)?", at + 3
            continue
        closing = pattern.find("]", at + 2) if char == "[" else -1
        if closing > 0:
            inside = pattern[at + 1 : closing].replace("\\", r"\\")
            out, at = out + "[" + ("^" + inside[1:] if inside[0] == "!" else inside) + "]", closing + 1
            continue
        if char == "[" or (char == "}" and not depth):
            raise ValueError(f"{pattern!r} is not a glob pattern")
        depth += {"{": 1, "}": -1}.get(char, 0)
        comma = "|" if depth else ","
        out += {"*": ".*", "?": ".", "{": "(?:", "}": ")", ",": comma}.get(char, re.escape(char))
        at += 1
    if depth:
        raise ValueError(f"{pattern!r} is not a glob pattern")
    return out


def module_files(root: Path, scan: Scan) -> list[str]:
    """Return the module files below `root`, sorted; excluded folders are not entered, links are not followed."""
    include, exclude = compile_globs(scan.include), compile_globs(scan.exclude)
    found: list[str] = []
    for folder, folders, files in os.walk(root):
        prefix = os.path.relpath(folder, root).replace(os.sep, "/") + "/"
        prefix = "" if prefix == "./" else prefix
        folders[:] = [name for name in folders if not exclude.fullmatch(f"{prefix}{name}/x")]
        for name in files:
            path = prefix + name
            known = name.endswith((".py", ".x07.json")) and not name.startswith("._")
            if known and include.fullmatch(path) and not exclude.fullmatch(path):
                found.append(path)
    return sorted(path for path in found if not (root / path).is_symlink())


def module_name(root: Path, path: str) -> str:
    """Return the dotted name of a Python file: relative to ``src`` if it stands there, else to the root."""
    inside = path.removeprefix("src/") if not (root / "src" / "__init__.py").exists() else path
    return inside.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def read_modules(
    root: Path, files: Sequence[str], max_bytes: int | None, deep: Callable[[str, str], bool]
) -> tuple[dict[str, Module], list[Diagnostic]]:
    """Return the modules by id, and a finding for each file that cannot be one. Time is linear in their bytes.

    Args:
        root: the project's folder.
        files: paths below it.
        max_bytes: most bytes in all, or None.
        deep: tells for a module id and a path whether the module lies in a solve world.

    Raises:
        ArchError: ``E_ARCH_TOOL_BUDGET_EXCEEDED`` if the files have more than `max_bytes` bytes.
    """
    modules: dict[str, Module] = {}
    findings: list[Diagnostic] = []
    total = 0
    cache = ScanCache(root)
    for path, data in _contents(root, files, findings):
        total += len(data)
        if max_bytes is not None and total > max_bytes:
            raise ArchError(
                "E_ARCH_TOOL_BUDGET_EXCEEDED",
                f"the modules have more than {max_bytes} bytes",
                where=path,
                hint="raise --max-bytes-in, or exclude folders in arch/manifest.lock.json",
            )
        module = _scan(root, path, data, findings, deep, cache)
        if module is None:
            continue
        known = modules.setdefault(module.id, module)
        if known is not module:
            findings.append(
                finding(
                    "E_ARCH_DUPLICATE_MODULE_ID",
                    f"module {module.id} is also {known.path}",
                    path=path,
                    hint="rename one of the two files, or exclude one in arch/manifest.lock.json",
                    data={"module_id": module.id, "module_path": path},
                )
            )
    cache.save()
    return modules, findings


def _contents(root: Path, files: Sequence[str], findings: list[Diagnostic]) -> Iterator[tuple[str, bytes]]:
    for path in files:
        try:
            yield path, (root / path).read_bytes()
        except OSError as error:
            findings.append(
                finding(
                    "E_ARCH_MODULE_PARSE",
                    f"cannot read the module: {error.strerror}",
                    path=path,
                    hint="check who may read the file",
                    data={"module_path": path},
                )
            )


def _scan(
    root: Path,
    path: str,
    data: bytes,
    findings: list[Diagnostic],
    deep: Callable[[str, str], bool],
    cache: ScanCache,
) -> Module | None:
    try:
        if path.endswith(".x07.json"):
            return scan_x07ast(data, path)
        name = module_name(root, path)
        thorough = deep(name, path)
        module = cache.find(path, data, name, deep=thorough)
        if module is None:
            module = scan_python(data, name, path, is_package=path.endswith("/__init__.py"), deep=thorough)
            cache.add(data, module, deep=thorough)
        return module
    except (SyntaxError, ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        findings.append(
            finding(
                "E_ARCH_MODULE_PARSE",
                f"not a module: {what}",
                path=path,
                line=line,
                hint="mend the file, or exclude it in arch/manifest.lock.json",
                data={"module_path": path},
            )
        )
        return None
