"""Running a program in ``run-os``: no sandbox, but signals, limits and exit code as everywhere."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from x07py.errors import RunError
from x07py.run_report_channel import ENV_REPORT_CHANNEL
from x07py.sandbox import kernel, reaper
from x07py.sandbox.forwarding import FORWARDED, FROM_TERMINAL
from x07py.sandbox.launch import GRACE_SECONDS, ProgramOutcome

if TYPE_CHECKING:
    from x07py.run.plan import RunPlan


def run_unconfined(plan: RunPlan, report_channel: int) -> ProgramOutcome:
    """Run the program of a plan with this process's rights and wait for its end.

    What it leaves running goes on after its own end, and is killed after a time limit.

    Args:
        plan: the plan.
        report_channel: a descriptor that the program gets as well, to tell about itself.

    Raises:
        RunError: ``X07RUN_NOT_EXECUTABLE``.
    """
    blocked = FORWARDED | {signal.SIGCHLD} if kernel.LINUX else set()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    started = time.monotonic()
    others = reaper.children(os.getpid())
    if kernel.LINUX:
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if plan.limits.memory is not None:
            bound = kernel.bound_of(resource.RLIMIT_AS, plan.limits.memory)
            resource.setrlimit(resource.RLIMIT_AS, (bound, bound))

    try:
        before = os.times()
        process = subprocess.Popen(
            plan.argv,
            env=plan.env | {ENV_REPORT_CHANNEL: str(report_channel)},
            cwd=plan.root,
            pass_fds=(report_channel,),
            preexec_fn=prepare,  # noqa: PLW1509 (this process has one thread)
        )
        wait = _wait if kernel.LINUX else _wait_and_forward
        timed_out = wait(process, None if plan.timeout is None else started + plan.timeout)
        if timed_out:
            reaper.sweep(others)
    except OSError as error:
        raise RunError(
            "X07RUN_NOT_EXECUTABLE", f"the program could not be started: {error.strerror}", hint="check the entry"
        ) from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    layers = {"isolation": "none: world run-os"}
    return ProgramOutcome(process.returncode, timed_out, [], 0, layers, used, 0, time.monotonic() - started)


def _wait_and_forward(process: subprocess.Popen[bytes], deadline: float | None) -> bool:
    """Wait for the end where signals cannot be waited for; return whether the time limit brought it."""
    for number in FORWARDED - {signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH}:
        signal.signal(number, lambda got, _: process.send_signal(got))
    try:
        process.wait(None if deadline is None else max(0.001, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return True
    return False


def _wait(process: subprocess.Popen[bytes], deadline: float | None) -> bool:
    """Wait for the end; return whether the time limit brought it."""
    timed_out = False
    while process.poll() is None:
        left = 3600.0 if deadline is None else max(0.001, deadline - time.monotonic())
        seen = signal.sigtimedwait(FORWARDED | {signal.SIGCHLD}, left)
        if seen is None and deadline is not None:
            process.send_signal(signal.SIGKILL if timed_out else signal.SIGTERM)
            deadline, timed_out = time.monotonic() + GRACE_SECONDS, True
        elif seen is not None and seen.si_signo != signal.SIGCHLD:
            if seen.si_code != FROM_TERMINAL:
                process.send_signal(seen.si_signo)
            if seen.si_signo == signal.SIGTSTP:
                os.kill(os.getpid(), signal.SIGSTOP)
    return timed_out
