"""Watching a run: an audit log of what was decided, and a policy learned from what was seen."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

from x07py.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from x07py.run.plan import RunPlan
    from x07py.run.profile import Profile
    from x07py.sandbox.launch import ProgramOutcome
    from x07py.sandbox.notifications import Access


class Watch(NamedTuple):
    """What to watch a run for.

    Args:
        audit: file that decisions are added to, or None.
        learn: file for a policy that would allow what was seen, or None.
        environment: variables that were granted; they get into the policy.
    """

    audit: Path | None
    learn: Path | None
    environment: tuple[str, ...]


def check_watch(watch: Watch, profile: Profile, hosts_from_files: bool) -> None:
    """Refuse to watch where there is nothing to see, or where something else was asked for.

    Raises:
        RunError: ``X07RUN_CONTRADICTION``; ``X07RUN_LEARN`` if the file to learn into exists.
    """
    audit, learn, _ = watch
    asked = "--learn" if learn else "--audit" if audit else None
    if asked and profile.world != "run-os-sandboxed":
        raise RunError(
            "X07RUN_CONTRADICTION",
            f"world {profile.world} decides no access one by one, so {asked} would see nothing",
            hint="run in world run-os-sandboxed (--profile sandbox)",
        )
    if learn is None:
        return
    grants = (
        *(profile.allow_host + profile.deny_host + profile.allow_contract + profile.allow_listen + profile.allow_unix),
        *(profile.allow_read + profile.allow_write + profile.allow_run),
    )
    if grants or hosts_from_files or profile.policy is not None:
        raise RunError(
            "X07RUN_CONTRADICTION",
            "--learn lets the program do what it wants and watches, so grants, denials and policies have no meaning",
            hint="leave them out (where the profile grants something: --world run-os-sandboxed in its place); "
            "--allow-env, --timeout and --max-memory hold and get into the policy",
        )
    if learn.exists():
        raise RunError(
            "X07RUN_LEARN",
            "the file exists, and a policy that somebody wrote is not replaced",
            where=str(learn),
            hint="learn into a new file and compare with `x07 policy diff`",
        )


def run_watched(
    plan: RunPlan, run: Callable[[Callable[[Access], None] | None], ProgramOutcome], watch: Watch
) -> ProgramOutcome:
    """Run a plan and write what was asked for about it.

    Args:
        plan: the plan.
        run: runs it and hands each decision to its argument.
        watch: what to write.

    Raises:
        RunError: ``X07RUN_FILE`` if the log cannot be written, ``X07RUN_LEARN`` if no policy would do.
        FileError: ``X07IO_WRITE`` for the policy.
    """
    audit, learn, environment = watch
    if not audit and learn is None:
        return run(None)
    from x07py.files import replace_file
    from x07py.run.audit import AuditLog
    from x07py.run.learn import learned_policy
    from x07py.run.own_files import check_own_file

    seen: dict[tuple[str, str], Access] = {}
    with AuditLog(audit, plan) if audit else nullcontext() as log:

        def note(access: Access) -> None:
            if log is not None:
                log.write(access)
            if learn is not None:
                seen[access.kind, access.target] = access

        outcome = run(note)
    if learn is not None:
        limits = {"wall_ms": plan.timeout and int(plan.timeout * 1000), "mem_bytes": plan.limits.memory}
        document = learned_policy(
            list(seen.values()),
            plan.root,
            always=[one.path for one in plan.write],
            environment=environment,
            limits={name: value for name, value in limits.items() if value},
        )
        whole = check_own_file(learn, plan.root, "--learn")
        whole.parent.mkdir(parents=True, exist_ok=True)
        data = (json.dumps(document, indent=2) + "\n").encode()
        replace_file(whole, data, root=plan.root if whole.is_relative_to(plan.root) else None)
    return outcome
