"""Runs one program confined, or outside as a control, as another user if told so; prints the outcome as JSON.

Argument: a JSON object with ``argv``, ``uid``, ``namespaces``, ``confined``, ``port``, ``write``, ``read``,
``timeout``, ``limits``, ``emulate`` (names of environments), ``require``, ``accept_weaker`` and ``open_files`` (a bound
on this process's own descriptors). In ``argv``, ``@PID``
stands for this process.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import asdict

from tests.sandbox.emulate import ENVIRONMENTS
from x07py.errors import X07Error
from x07py.sandbox import kernel, landlock
from x07py.sandbox.confine import Confinement, Limits
from x07py.sandbox.filter import Wanted
from x07py.sandbox.launch import run
from x07py.sandbox.network import Range, Rules, mapped

SYSTEM = ("/usr", "/lib", "/lib64", "/bin", sys.prefix, sys.base_prefix)


def main(order: dict[str, object]) -> dict[str, object]:
    kernel.syscall_numbers()
    if order.get("uid") is not None:
        os.setgroups([])
        os.setresgid(*[order["uid"]] * 3)
        os.setresuid(*[order["uid"]] * 3)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    argv = [str(os.getpid()) if word == "@PID" else word for word in order["argv"]]
    if order.get("open_files"):
        resource.setrlimit(resource.RLIMIT_NOFILE, (order["open_files"], order["open_files"]))
    for name in order.get("emulate", ()):
        ENVIRONMENTS[name]()
    if not order.get("confined", True):
        return {"status": subprocess.run(argv, check=False, timeout=120, close_fds=False).returncode}
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
        connect=Rules((home,)) if home else Rules(),
        wanted=Wanted(**order.get("wanted", {})),
        limits=Limits(**order.get("limits", {})),
        namespaces=order["namespaces"],
        require=tuple(order.get("require", ())),
        accept_weaker=order.get("accept_weaker", False),
    )
    try:
        outcome = run(spec, timeout=order.get("timeout", 100))
    except X07Error as error:
        return {"code": error.code, "message": str(error)}
    return asdict(outcome)


if __name__ == "__main__":
    report = main(json.loads(sys.argv[1]))
    sys.stdout.flush()
    sys.stdout.write("\n@OUTCOME " + json.dumps(report) + "\n")
