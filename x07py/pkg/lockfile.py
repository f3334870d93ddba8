"""Writing ``x07.lock``: sorted, one fact a line, so that a diff reads well; and telling locks apart."""

from __future__ import annotations

from dataclasses import fields
from json import dumps
from typing import TYPE_CHECKING

from x07py._version import __version__
from x07py.contracts.lockfile import LOCK_SCHEMA, Lock, LockedPackage

if TYPE_CHECKING:
    from x07py.pkg.entry import Entry

_HEAD = "# Written by `x07 pkg`; commit it, do not edit it. `x07 pkg lock` makes it again."
_OWN_WAY = {"files"}


def locked_package(entry: Entry, *, direct: bool, patched: bool, required_by: tuple[str, ...]) -> LockedPackage:
    """Return the entry as the lock records it."""
    return LockedPackage(
        name=entry.name,
        version=entry.version.text,
        source=entry.source,
        direct=direct,
        patched=patched,
        required_by=required_by,
        requires=tuple(sorted(f"{name}@{wanted.text}" for name, wanted in entry.requires.items())),
        requires_dists=entry.requires_dists,
        x07py_compat=entry.compat.text if entry.compat is not None else None,
        worlds=entry.worlds,
        module_root=entry.module_root,
        modules=entry.modules,
        archive_sha256=entry.archive_sha256,
        signed_by=entry.signed_by,
        files=dict(entry.files),
        yanked=entry.yanked,
        advisories=tuple(sorted(str(row["id"]) for row in entry.advisories)),
    )


def render_lock(packages: dict[str, LockedPackage], toolchain: str = __version__) -> bytes:
    """Return the bytes of the lock that holds `packages`. They depend on nothing else."""
    lines = [_HEAD, f"schema_version = {_text(LOCK_SCHEMA)}", f"toolchain = {_text(toolchain)}"]
    for name in sorted(packages):
        lines += ["", "[[package]]", *_package_lines(packages[name])]
    return ("\n".join(lines) + "\n").encode()


def _text(value: str) -> str:
    """Return a TOML basic string; JSON escapes are a subset of TOML's but for DEL."""
    return dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _package_lines(package: LockedPackage) -> list[str]:
    lines = []
    for field in fields(package):
        value = getattr(package, field.name)
        if field.name in _OWN_WAY or value is None or value is False or value == ():
            continue
        if isinstance(value, bool):
            lines.append(f"{field.name} = true")
        elif isinstance(value, str):
            lines.append(f"{field.name} = {_text(value)}")
        else:
            lines += [f"{field.name} = [", *(f"  {_text(item)}," for item in value), "]"]
    return [
        *lines,
        "[package.files]",
        *(f"{_text(path)} = {_text(package.files[path])}" for path in sorted(package.files)),
    ]


def differences(old: Lock | None, new: dict[str, LockedPackage]) -> list[str]:
    """Return what `new` changes in the lock, one sentence a fact, sorted by package."""
    before = old.packages if old is not None else {}
    rows: list[str] = []
    for name in sorted({*before, *new}):
        was, now = before.get(name), new.get(name)
        if was is None and now is not None:
            rows.append(f"{name} {now.version} is missing from the lock")
        elif now is None and was is not None:
            rows.append(f"{name} {was.version} is in the lock and nothing needs it")
        elif was is not None and now is not None:
            for field in fields(LockedPackage):
                a, b = getattr(was, field.name), getattr(now, field.name)
                if a != b:
                    rows.append(f"{name}: {_difference(field.name, a, b)}")
    return rows


def _difference(name: str, was: object, now: object) -> str:
    if isinstance(was, dict) and isinstance(now, dict):
        changed = sorted(path for path in {*was, *now} if was.get(path) != now.get(path))
        return f"{name} differ: {', '.join(changed)}"
    shown = [", ".join(value) if isinstance(value, tuple) else str(value) for value in (was, now)]
    return f"{name} is {shown[0] or 'empty'} in the lock, should be {shown[1] or 'empty'}"
