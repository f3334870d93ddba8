"""Boots an emulated machine with an order of programs to run, and reads from its serial line how they ended."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tests.machines import image

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MEMORY_MIB = 2048
_BEGIN, _END = re.compile(r"@begin (.+)"), re.compile(r"@end (.+) (-?\d+) (\d+)")


@dataclass(frozen=True, slots=True)
class Machine:
    """A kind of machine: what the kernel, Debian and QEMU call it, and its serial line."""

    name: str
    architecture: str
    board: tuple[str, ...]
    console: str


MACHINES = {
    one.name: one
    for one in (
        Machine("aarch64", "arm64", ("-M", "virt", "-cpu", "max,pauth=off"), "ttyAMA0"),
        # QEMU 7.2 gets cmpxchg16b wrong: Linux 6.12 panics
        Machine("x86_64", "amd64", ("-M", "q35", "-cpu", "max,-cx16"), "ttyS0"),
    )
}


@dataclass(frozen=True, slots=True)
class Order:
    """A program to run in the machine."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Ended:
    """How an order ended: exit code, None if the machine stopped before it did; seconds there; lines it printed."""

    exit: int | None = None
    seconds: int = 0
    lines: list[str] = field(default_factory=list)


def boot(
    machine: Machine,
    kernel: image.Kernel,
    system: Path,
    orders: Sequence[Order],
    *,
    log: Path,
    timeout: float,
    options: str = "",
) -> dict[str, Ended]:
    """Boot, run all orders, and wait for the machine to power off.

    Args:
        machine: its kind.
        kernel: what it starts.
        system: archive with its files.
        orders: what it runs, one after the other.
        log: file for all that comes over its serial line.
        timeout: seconds; then it is switched off.
        options: more words for the kernel's command line.

    Returns:
        How each order ended, by name.
    """
    with tempfile.TemporaryDirectory(dir=system.parent) as folder:
        archive = _with_orders(Path(folder), kernel, system, orders)
        words = f"console={machine.console} loglevel=0 panic=-1 {options}"
        command = ["nice", f"qemu-system-{machine.name}", *machine.board, "-smp", "1", "-m", str(MEMORY_MIB)]
        command += ["-nographic", "-no-reboot", "-nic", "none", "-kernel", str(kernel.image)]
        command += ["-initrd", str(archive), "-append", words]
        running = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, encoding="utf-8", errors="replace"
        )
        switch = threading.Timer(timeout, running.kill)
        switch.start()
        try:
            with running, log.open("w", encoding="utf-8") as copy:
                assert running.stdout is not None
                return _read(running.stdout, copy, orders)
        finally:
            switch.cancel()


def _with_orders(folder: Path, kernel: image.Kernel, system: Path, orders: Sequence[Order]) -> Path:
    """Add a second archive to the system's, which the kernel unpacks over it."""
    more = folder / "more"
    more.mkdir()
    rows = [{"name": one.name, "argv": one.argv, "env": dict(one.env)} for one in orders]
    (more / "orders.json").write_text(json.dumps(rows), encoding="utf-8")
    (more / "vsock.ko").write_bytes(kernel.vsock)
    image.pack(more, folder / "more.cpio")
    whole = folder / "system.cpio"
    with whole.open("wb") as out:
        for part in (system, folder / "more.cpio"):
            with part.open("rb") as data:
                shutil.copyfileobj(data, out)
    return whole


def _read(console: Iterable[str], copy: TextIO, orders: Sequence[Order]) -> dict[str, Ended]:
    found = {one.name: Ended() for one in orders}
    current: Ended | None = None
    for raw in console:
        line = raw.rstrip("\r\n")
        copy.write(line + "\n")
        copy.flush()
        if begin := _BEGIN.fullmatch(line):
            current = found[begin[1]]
        elif end := _END.fullmatch(line):
            found[end[1]].exit, found[end[1]].seconds, current = int(end[2]), int(end[3]), None
        elif current is not None:
            current.lines.append(line)
    return found
