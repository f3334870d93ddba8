#!/usr/bin/python3
"""The first process of an emulated machine: mounts, runs what it was ordered to, tells how each ended, and powers off.

The orders stand in ``/orders.json``: for each a ``name``, the ``argv``, and environment ``env``. Lines ``@begin NAME``
and ``@end NAME EXIT SECONDS`` frame what a program prints.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import time
import traceback
from pathlib import Path

POWER_OFF = 0x4321FEDC
OPEN_FILES = 1 << 16
SIOCSIFFLAGS, UP_AND_RUNNING = 0x8914, 0x41
MOUNTS = (
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("devpts", "/dev/pts"),
    ("tmpfs", "/dev/shm"),
    ("tmpfs", "/tmp"),
    ("tmpfs", "/var/tmp"),
    ("tmpfs", "/run"),
    ("cgroup2", "/sys/fs/cgroup"),
)
ENV = {"PATH": "/usr/bin:/usr/sbin", "HOME": "/root", "LANG": "C.UTF-8", "X07_ATTACKS": "/usr/local/lib/x07/attacks"}
ORDERS, VSOCK = Path("/orders.json"), Path("/vsock.ko")


def prepare() -> None:
    """Make what programs expect of a machine: file systems, a loopback device, bounds that leave room."""
    for kind, place in MOUNTS:
        Path(place).mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", kind, kind, place], check=True)
    Path("/dev/fd").symlink_to("/proc/self/fd")
    Path("/sys/fs/cgroup/cgroup.subtree_control").write_text("+pids", encoding="ascii")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("=16sH14x", b"lo", UP_AND_RUNNING))
    module = VSOCK.read_bytes()
    if ctypes.CDLL(None).init_module(module, ctypes.c_ulong(len(module)), b""):
        sys.exit("the kernel took no module for vsock")
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir("/project")


def carry_out(name: str, argv: list[str], env: dict[str, str]) -> None:
    """Run one order, with its output on the console, and reap whatever ends meanwhile."""
    print(f"\n@begin {name}", flush=True)  # what the firmware or the kernel wrote may not have ended its line
    began = time.monotonic()
    child = os.posix_spawn(argv[0], argv, ENV | env)
    pid = status = 0
    while pid != child:
        pid, status = os.wait()
    print(f"\n@end {name} {os.waitstatus_to_exitcode(status)} {time.monotonic() - began:.0f}", flush=True)


if __name__ == "__main__":
    os.environ.update(ENV)
    try:
        prepare()
        for order in json.loads(ORDERS.read_bytes()):
            carry_out(**order)
    except BaseException:  # noqa: BLE001 (whatever goes wrong, the machine has to power off)
        traceback.print_exc()
    sys.stderr.flush()
    ctypes.CDLL(None).sync()
    ctypes.CDLL(None).reboot(POWER_OFF)
