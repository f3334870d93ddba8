"""Files of packages that a lock for every platform cannot hold: compiled modules, and bytecode run for a source.

A compiled module must be what its installer recorded. Bytecode beside a source must be what that source compiles to, if
Python would run it. What was compared once is remembered under the seal of the user's key, for compiling takes time.
"""

from __future__ import annotations

import base64
import hashlib
import marshal
import warnings
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING

from x07py.errors import FileError
from x07py.files import read_file, replace_file
from x07py.files.own import Seal, project_id, state_folder

if TYPE_CHECKING:
    from x07py.contracts.installed import InstalledPackage

_HEAD = 16
_DIGEST = 32
_MOST_BYTES = 1 << 26
_KEPT_BYTES = 1 << 20
_PURPOSE = b"bytecode"


class UnlockedFiles:
    """Compares compiled files of packages, and remembers between runs of a project what it compared.

    Args:
        root: the project.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: set[bytes] | None = None
        self._new = False

    def foreign(self, package: InstalledPackage) -> list[str]:
        """Return the compiled files that are not what the installer recorded, or not what the source compiles to.

        Time is linear in the bytes of the files; bytecode that this project has not seen yet is compiled.
        """
        if package.source:
            return []
        wrong = []
        recorded: dict[str, str] | None = None
        for name, path in package.module_files().items():
            if name.endswith(".py"):
                cached = Path(cache_from_source(str(path)))
                if cached.is_file() and self._differs(path, cached):
                    wrong.append(cached.relative_to(package.place).as_posix())
            elif package.is_compiled(name):
                recorded = package.distribution.digests() if recorded is None else recorded
                if recorded.get(name) != _recorded_digest(path):
                    wrong.append(name)
        return wrong

    def keep(self) -> None:
        """Remember what was compared; without a folder for state it is compared again."""
        if self._new and self._known is not None:
            try:
                data = Seal(self._root).on(b"".join(sorted(self._known)), _PURPOSE)
                replace_file(self._file(), data, mode=0o600)
            except (FileError, OSError):
                return

    def _file(self) -> Path:
        return state_folder(self._root) / f"bytecode-{project_id(self._root)}"

    def _remembered(self) -> set[bytes]:
        if self._known is None:
            try:
                data = Seal(self._root).off(read_file(self._file(), limit=_KEPT_BYTES), _PURPOSE) or b""
            except (FileError, OSError):
                data = b""
            self._known = {data[at : at + _DIGEST] for at in range(0, len(data), _DIGEST)}
        return self._known

    def _differs(self, source: Path, cached: Path) -> bool:
        data, text = read_file(cached, limit=_MOST_BYTES), read_file(source, limit=_MOST_BYTES)
        if not _would_run(data, source, text):
            return False
        both = hashlib.sha256(hashlib.sha256(data).digest() + hashlib.sha256(text).digest()).digest()
        if both in self._remembered():
            return False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made = compile(text, str(source), "exec", dont_inherit=True)
            found = marshal.loads(data[_HEAD:])  # noqa: S302 (as the import would; here to find out whether it may)
            same = isinstance(found, CodeType) and _plain(found) == _plain(made)
        except (ValueError, EOFError, TypeError, SyntaxError, RecursionError):
            same = False
        if same:
            self._remembered().add(both)
            self._new = True
        return not same


def _would_run(data: bytes, source: Path, text: bytes) -> bool:
    """Tell whether an import would take bytecode instead of its source (PEP 552)."""
    flags = int.from_bytes(data[4:8], "little")
    if data[:4] != MAGIC_NUMBER or flags & ~0b11:
        return False
    if flags & 0b01:
        return not flags & 0b10 or data[8:_HEAD] == source_hash(text)
    found = source.stat()
    stamp = (int(found.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little") + (found.st_size & 0xFFFFFFFF).to_bytes(
        4, "little"
    )
    return data[8:_HEAD] == stamp


def _plain(code: CodeType) -> bytes:
    """Return the bytes of code without the place where it was compiled, and without marks of sharing."""
    return marshal.dumps(_placeless(code), 2)


def _placeless(code: CodeType) -> CodeType:
    constants = tuple(_placeless(one) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_filename="", co_consts=constants)


def _recorded_digest(path: Path) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(read_file(path, limit=1 << 30)).digest()).rstrip(b"=").decode()
