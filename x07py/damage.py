"""Which files of x07py itself are not what its installer wrote; needs the standard library alone: any may be damaged.

The installer's record holds the digest of every source. Bytecode is none of it: it must be what its source compiles to,
if Python would run it.
"""

from __future__ import annotations

import csv
import hashlib
import marshal
import os
import sys
import warnings
from base64 import urlsafe_b64encode
from importlib.machinery import SourceFileLoader
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import cache_from_source
from pathlib import Path
from typing import NoReturn

TAMPERED = "X07PKG_TAMPERED"
HINT = "install x07py again: pip install --force-reinstall x07py"
_PACKAGE = Path(__file__).parent
_START = "x07py_start.py"
"""The file beside the package that is x07py's too: what the console scripts import."""
_EXIT, _EXIT_OTHERS = {"run": 126, "policy": 126, "arch": 3}, 20
"""Exit codes of command lines that could not start, by their first word."""
_DEBUG = "X07_DEBUG"
_MOST = 5


def changed_files() -> list[str]:
    """Return the files of x07py that are not as they were installed, below the folder that x07py stands in, sorted.

    Sources of an editable x07py may change; of them only the bytecode is compared. Every source with bytecode is
    compiled, which takes seconds: ask when something failed.
    """
    place = _PACKAGE.parent
    changed = {name for name, digest in recorded_files().items() if digest != _digest(place / name)}
    for path in (place / _START, *_PACKAGE.rglob("*.py")):
        name = path.relative_to(place).as_posix()
        if name not in changed and not _compiles_to_its_bytecode(path):
            changed.add(Path(cache_from_source(str(path))).relative_to(place).as_posix())
    return sorted(changed)


def end(error: Exception) -> NoReturn:
    """Say why an ``x07`` command line could not start, and exit with the code of its command; raises as `told`."""
    sys.stderr.write(told(error))
    sys.exit(_EXIT.get(sys.argv[1] if len(sys.argv) > 1 else "", _EXIT_OTHERS))


def told(error: Exception) -> str:
    """Return the lines about an error that x07py cannot have meant: damaged files if there are, else what it is.

    Raises:
        Exception: the error itself where ``X07_DEBUG`` asks for its traceback.
    """
    if os.environ.get(_DEBUG):
        raise error
    changed = changed_files()
    if changed:
        return f"error[{TAMPERED}]: {described(changed)}\n  help: {HINT}\n"
    try:
        from x07py.printing import terminal
    except Exception:  # noqa: BLE001 (the package itself may be what does not import)
        terminal = _plain
    return (
        terminal(f"error[X07_INTERNAL]: {type(error).__name__}: {error}\n")
        + f"  help: run again with {_DEBUG}=1 to see where, and report it\n"
    )


def _plain(text: str) -> str:
    """Return a text of which a terminal takes nothing for a command, without the help of x07py."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)


def described(changed: list[str]) -> str:
    """Return what is wrong with x07py, with the first of the files that changed."""
    more = f" and {len(changed) - _MOST} more" if len(changed) > _MOST else ""
    return f"x07py is not what was installed: {', '.join(changed[:_MOST])}{more}"


def recorded_files() -> dict[str, str]:
    """Return the digests of x07py's record by file; none where x07py is editable or was not installed."""
    try:
        found = distribution(_PACKAGE.name)
    except PackageNotFoundError:
        return {}
    if Path(str(found.locate_file(_PACKAGE.name))).resolve() != _PACKAGE.resolve():
        return {}
    rows = found.read_text("RECORD") or ""
    digests = {row[0]: row[1] for row in csv.reader(rows.splitlines()) if len(row) > 1 and row[1]}
    own = f"{_PACKAGE.name}/"
    return {name: digest for name, digest in digests.items() if name.startswith(own) or name == _START}


def _digest(path: Path) -> str:
    try:
        digest = hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return ""
    return f"sha256={urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _compiles_to_its_bytecode(path: Path) -> bool:
    """Tell whether Python would run what the source says: from bytecode that fits it, or from the source."""
    cached = Path(cache_from_source(str(path)))
    if not cached.is_file():
        return True
    loader = SourceFileLoader(path.stem, str(path))
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return marshal.dumps(loader.get_code(path.stem), 2) == marshal.dumps(
                loader.source_to_code(path.read_bytes(), str(path)), 2
            )
    except (ValueError, EOFError, TypeError, SyntaxError, ImportError, RecursionError):
        return False
    finally:
        sys.dont_write_bytecode = writes
