"""Reading the modules of a project: from the cache what did not change, from the files the rest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.arch.model import finding
from x07py.arch.scan.allowances import allowances
from x07py.arch.scan.cache import ScanCache
from x07py.arch.scan.python import package_of, scan_python
from x07py.arch.scan.secrets import secret_offsets
from x07py.arch.scan.x07ast import scan_x07ast
from x07py.errors import ArchError
from x07py.files import SOURCE_BYTES, decoded, read_file, source_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from x07py.arch.model import Depth, Module
    from x07py.arch.scan.module_files import SourceFile
    from x07py.arch.scan.module_names import ModuleNames
    from x07py.diag import Diagnostic

_NAME_CHARS = 1000


def read_modules(
    root: Path,
    files: Sequence[SourceFile],
    names: ModuleNames,
    max_bytes: int | None,
    depth: Callable[[str, str], Depth],
) -> tuple[dict[str, Module], list[Diagnostic]]:
    """Return the modules by id, in the order of their paths, and a finding for each file that cannot be one.

    Time is linear in the bytes of the files that changed, plus the number of imports of the others.

    Args:
        root: the project's folder.
        files: what the walk found.
        names: how Python files are called.
        max_bytes: most bytes in all, or None.
        depth: tells for a module id and a path how much of the module is needed.

    Raises:
        ArchError: ``E_ARCH_TOOL_BUDGET_EXCEEDED`` if the files have more than `max_bytes` bytes.
    """
    if max_bytes is not None and sum(file.stat[0] for file in files) > max_bytes:
        raise ArchError(
            "E_ARCH_TOOL_BUDGET_EXCEEDED",
            f"the modules have more than {max_bytes} bytes",
            where=str(root),
            hint="raise --max-bytes-in, or exclude folders in scan.exclude of the manifest",
        )
    modules: dict[str, Module] = {}
    findings: list[Diagnostic] = []
    reader = _Reader(root, names, depth)
    for file in files:
        if file.link:
            findings.append(_link(root, file, files))
            continue
        try:
            module = reader.read(file)
        except (SyntaxError, ValueError, RecursionError, OSError) as error:
            findings.append(_not_a_module(file.path, error))
            continue
        known = modules.setdefault(module.id, module)
        if known is not module:
            findings.append(
                finding(
                    "E_ARCH_DUPLICATE_MODULE_ID",
                    f"module {module.id} is also {known.path}",
                    path=file.path,
                    hint="rename one of the two files, or exclude one in scan.exclude of the manifest",
                    data={"module_id": module.id, "module_path": file.path},
                )
            )
    reader.cache.save()
    return modules, findings


def _link(root: Path, file: SourceFile, files: Sequence[SourceFile]) -> Diagnostic:
    """Return the finding for a link: an error if Python would run what this check does not see."""
    facts = {"module_path": file.path, "target": file.link}
    target = os.path.relpath(os.path.realpath(root / file.path), os.path.realpath(root)).replace(os.sep, "/")
    if any(one.path == target or one.path.startswith(f"{target}/") for one in files) or target == ".":
        return finding(
            "W_ARCH_MODULE_LINK",
            f"a link to {file.link}: what stands there is checked under its own name, and imports of this one are not",
            path=file.path,
            hint="import it by its own name, or exclude the link in scan.exclude of the manifest",
            data=facts,
        )
    return finding(
        "E_ARCH_MODULE_LINK",
        f"a link to {file.link}, which is not checked: it is outside of the project, or excluded",
        path=file.path,
        hint="put the modules there in its place, or exclude the link in scan.exclude of the manifest",
        data=facts,
    )


class _Reader:
    """Reads one module after the other, through the cache."""

    def __init__(self, root: Path, names: ModuleNames, depth: Callable[[str, str], Depth]) -> None:
        self.cache = ScanCache(root)
        self._folder = f"{root}/"
        self._name = names.name
        self._depth = depth

    def read(self, file: SourceFile) -> Module:
        """Return a module.

        Raises:
            SyntaxError, ValueError, RecursionError, OSError: the file is none, or cannot be read.
        """
        path = file.path
        if path.endswith(".x07.json"):
            data = read_file(Path(self._folder + path), limit=SOURCE_BYTES)
            return scan_x07ast(data, path)._replace(secrets=secret_offsets(decoded(data)))
        name = self._name(path)
        depth = self._depth(name, path)
        module = self.cache.find(file, name, depth)
        if module is None:
            data = read_file(Path(self._folder + path), limit=SOURCE_BYTES)
            module = self.cache.find_content(file, data, name, depth)
            if module is None:
                module = _scanned(source_text(path, data), name, path, depth)
                self.cache.add(file, data, module, depth)
        return module


def _scanned(text: str, name: str, path: str, depth: Depth) -> Module:
    module = scan_python(text, name, path, depth)
    module = module._replace(secrets=secret_offsets(text), allows=allowances(text))
    if any(len(one[0]) > _NAME_CHARS for one in module.imports):
        raise ValueError(f"it imports a name of more than {_NAME_CHARS} characters")
    if "x07py" not in text:
        return module
    from x07py.arch.scan.messages import contract_names
    from x07py.arch.scan.scopes import python_scopes

    package = package_of(name, path)
    return module._replace(scopes=python_scopes(text, package), names=contract_names(text, package))


def _not_a_module(path: str, error: Exception) -> Diagnostic:
    if isinstance(error, OSError):
        return finding(
            "E_ARCH_MODULE_PARSE",
            f"cannot read the module: {error.strerror}",
            path=path,
            hint="check who may read the file",
            data={"module_path": path},
        )
    return finding(
        "E_ARCH_MODULE_PARSE",
        f"not a module: {error.msg if isinstance(error, SyntaxError) else error}",
        path=path,
        line=error.lineno if isinstance(error, SyntaxError) else None,
        hint="mend the file, or exclude it in scan.exclude of the manifest",
        data={"module_path": path},
    )
