"""Recordings that hold what looks like a secret, for a check that is asked to look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.arch.model import finding
from x07py.errors import X07Error
from x07py.rr.cassette_files import FOLDER
from x07py.rr.known_secrets import register_surroundings
from x07py.rr.scanning import BASELINE, read_baseline, recorded_files, scan, sorted_out

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from x07py.diag import Diagnostic
    from x07py.rr.scanning import Found


def check_recordings(root: Path) -> Iterator[Diagnostic]:
    """Yield what `x07 rr scan` would tell of the recordings of a project, and those that cannot be read.

    Raises:
        FileError: ``X07RR_BASELINE``.
    """
    register_surroundings()
    accepted = read_baseline(root / FOLDER / BASELINE)
    found: list[Found] = []
    for file in recorded_files(root / FOLDER):
        name = file.relative_to(root).as_posix()
        try:
            found += scan(file, name)
        except X07Error as error:
            yield finding(
                "E_ARCH_RECORDING_UNREAD",
                f"nobody can tell whether the recording holds a secret: {error.message}",
                path=name,
                hint=error.hint or "restore it, or record again",
            )
    fresh, stale = sorted_out(found, accepted)
    for one in fresh:
        yield finding(
            "E_ARCH_SECRET_IN_RECORDING",
            f"{one.place} holds what looks like a secret: {one.rule} ({one.fingerprint})",
            path=one.file,
            hint="change the secret, then x07 rr redact or record again; for one that is none: x07 rr scan --accept",
            data={"rule": one.rule, "fingerprint": one.fingerprint, "place": one.place},
        )
    for row in stale:
        yield finding(
            "E_ARCH_EXCEPTION_UNUSED",
            f"the baseline of the scan accepts {row['rule']} ({row['fingerprint']}), and it is not there",
            path=row["file"],
            hint="x07 rr scan --accept REASON drops what is no longer there",
            data={"name": row["fingerprint"]},
        )
