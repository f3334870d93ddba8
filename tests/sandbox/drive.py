"""Runs one program confined, or outside as a control, as another user if told so; prints the outcome as JSON.

Argument: a JSON object with ``argv``, ``uid``, ``namespaces``, ``confined``, ``port``, ``write``, ``read``,
``timeout``, ``limits``, ``listen`` (everywhere), ``unix``, ``names`` (each with its addresses, for the port),
``emulate`` (names of environments), ``require``, ``accept_weaker``, ``starts`` (how often) and ``open_files`` (a bound
on this process's own descriptors). In ``argv``, ``@PID`` stands for this process.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from typing import Any

from tests.sandbox.emulate import ENVIRONMENTS
from x07py.errors import X07Error
from x07py.sandbox import kernel, landlock
from x07py.sandbox.confinement import Confinement, ProcessLimits
from x07py.sandbox.filter import Wanted
from x07py.sandbox.launch import run
from x07py.sandbox.names import Name
from x07py.sandbox.network import EVERYWHERE, AddressRules, Range, mapped
from x07py.sandbox.unix_sockets import UnixRules

SYSTEM = ("/usr", "/lib", "/lib64", "/bin", sys.prefix, sys.base_prefix)


def main(order: dict[str, Any]) -> dict[str, Any]:
    """Become who and where the order says, and start what it says as often as it says."""
    kernel.syscall_numbers()
    if order.get("uid") is not None:
        os.setgroups([])
        os.setresgid(*[order["uid"]] * 3)
        os.setresuid(*[order["uid"]] * 3)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    order["argv"] = [str(os.getpid()) if word == "@PID" else word for word in order["argv"]]
    if order.get("open_files"):
        resource.setrlimit(resource.RLIMIT_NOFILE, (order["open_files"], order["open_files"]))
    for name in order.get("emulate", ()):
        ENVIRONMENTS[name]()
    if order.get("starts"):
        found = Counter(start_in_a_process_of_its_own(order) for _ in range(order["starts"]))
        return {"found": [[count, *json.loads(row)] for row, count in found.items()]}
    return start(order)


def start_in_a_process_of_its_own(order: dict[str, Any]) -> str:
    """Start once and return as JSON what the outcome says and what the program printed, without what may differ."""
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as told:
        child = os.fork()
        if child == 0:
            os.dup2(printed.fileno(), 1)
            outcome = start(order)
            for name in ("cpu_seconds", "memory", "seconds"):
                outcome.pop(name, None)
            for one in outcome.get("denials", ()):
                one.pop("pid")
            os.write(told.fileno(), json.dumps(outcome, sort_keys=True).encode())
            os._exit(0)
        os.waitpid(child, 0)
        printed.seek(0)
        told.seek(0)
        return json.dumps([json.loads(told.read()), printed.read().decode()])


def start(order: dict[str, Any]) -> dict[str, Any]:
    """Start what the order says once and return the outcome."""
    argv = order["argv"]
    if not order.get("confined", True):
        done = subprocess.run(argv, check=False, timeout=order.get("timeout", 120), close_fds=False)
        return {"status": done.returncode}
    home = Range(mapped(bytes([127, 0, 0, 1])), 128, order["port"], order["port"]) if order.get("port") else None
    paths = [(path, landlock.READ | landlock.EXECUTE) for path in (*SYSTEM, *order.get("read", ()))]
    paths += [(path, landlock.WRITE) for path in order.get("write", ())]
    paths += [("/dev/null", landlock.DEVICE), ("/dev/urandom", landlock.READ), ("/proc", landlock.READ)]
    paths += [("/etc/ld.so.cache", landlock.READ)]
    spec = Confinement(
        argv=tuple(argv),
        env={"PATH": "/usr/bin:/bin", **order.get("env", {})},
        cwd="/",
        paths=tuple(paths),
        connect=AddressRules((home,)) if home else AddressRules(),
        listen=AddressRules(EVERYWHERE) if order.get("listen") else AddressRules(),
        unix=UnixRules(tuple(order.get("unix", ()))),
        wanted=Wanted(**order.get("wanted", {})),
        limits=ProcessLimits(**order.get("limits", {})),
        namespaces=order["namespaces"],
        names=tuple(
            Name(name, ((order["port"], order["port"]),), tuple(mapped(socket.inet_aton(one)) for one in addresses))
            for name, addresses in order.get("names", {}).items()
        ),
        require=tuple(order.get("require", ())),
        accept_weaker=order.get("accept_weaker", False),
    )
    try:
        outcome = run(spec, timeout=order.get("timeout", 100))
    except X07Error as error:
        return {"code": error.code, "message": str(error)}
    return outcome._asdict() | {"denials": [vars(one) for one in outcome.denials]}


if __name__ == "__main__":
    report = main(json.loads(sys.argv[1]))
    sys.stdout.flush()
    sys.stdout.write("\n@OUTCOME " + json.dumps(report) + "\n")
