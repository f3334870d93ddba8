"""A PostgreSQL of the tests' own: Debian's programs, a cluster in a folder, a socket in it and no port."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.live import SKIP, SKIPPED

_USER = "postgres"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The connection string of a live PostgreSQL; it runs as Debian's user for it where the tests run as root."""
    if SKIP:
        pytest.skip(SKIPPED)
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    as_root = os.getuid() == 0
    folder = Path(tempfile.mkdtemp(prefix="x07-postgres-", dir="/tmp"))
    if as_root:
        shutil.chown(folder, _USER, _USER)

    def run(program: str, *args: str) -> None:
        command = [str(programs / program), "-D", str(folder / "data"), *args]
        subprocess.run(
            command, check=True, cwd="/", timeout=300, stdout=subprocess.DEVNULL, user=_USER if as_root else None
        )

    run("initdb", "--auth", "trust", "--username", _USER, "--no-sync")
    run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", f"-c listen_addresses='' -k {folder}", "start")
    try:
        yield f"host={folder} user={_USER} dbname=postgres"
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
