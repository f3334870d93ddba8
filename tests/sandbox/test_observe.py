"""What is told of a program that is started, whatever its first line holds."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from x07py.sandbox.kernel import syscall_numbers
from x07py.sandbox.listener import GO_ON
from x07py.sandbox.notifications import SystemCall
from x07py.sandbox.observe import Observer


def test_a_script_whose_interpreter_cannot_be_a_path_is_told_and_left_to_the_kernel(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_bytes(b"#!/bin/s\0h\n")
    told: list[tuple[str, str]] = []
    number = syscall_numbers()["execve"]
    name = ctypes.create_string_buffer(os.fsencode(script))
    execute = Observer(lambda kind, path, _: told.append((kind, path))).handlers()["execve"]
    assert execute(SystemCall(0, os.getpid(), number, (ctypes.addressof(name),))) == GO_ON
    assert told == [("run", str(script))]
