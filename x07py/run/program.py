"""From a profile and flags to a command line, an environment, and what the kernel shall let through."""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.contracts.packages import check_kind, project_packages
from x07py.errors import PackageError, RunError, UsageError
from x07py.files import refuse_link
from x07py.run.command_line import command_line
from x07py.run.environment import environment
from x07py.run.file_access import FIXTURES, fixture_folder, landlock_rules
from x07py.run.hosts import HostRule, hosts_file, names_of, parse_host
from x07py.run.own_files import check_grant, check_unix_grant
from x07py.run.plan import PathGrant, RunPlan, UnixGrant
from x07py.run_report_channel import ENV_REPORT_CHANNEL
from x07py.sandbox.confinement import REPORT_CHANNEL, Confinement, ProcessLimits
from x07py.sandbox.filter import Wanted
from x07py.sandbox.names import Name
from x07py.sandbox.network import EVERYWHERE, AddressRules
from x07py.sandbox.unix_sockets import UnixRules
from x07py.worlds import CASSETTES, WORLDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.contracts.packages import ProjectPackages
    from x07py.run.profile import Profile, ProjectToRun
    from x07py.sandbox.notifications import Access
    from x07py.worlds import World

_SHM = "/dev/shm"  # noqa: S108 (a place of its own is mounted there)
_MAX_SECONDS = 1_000_000_000
SEED = b"x07"
"""What randomness comes from in a solve world."""


def make_plan(
    project: ProjectToRun,
    profile: Profile,
    args: list[str],
    scratch: Path,
    *,
    more: tuple[HostRule, ...] = (),
    less: tuple[HostRule, ...] = (),
) -> RunPlan:
    """Decide what a program gets.

    Args:
        project: the project.
        profile: the profile with the flags already in it.
        args: arguments of the program.
        scratch: an empty folder that becomes its home and place for temporary files.
        more: allowed hosts that were read from files.
        less: denied hosts that were read from files.

    Raises:
        UsageError: ``X07_USAGE`` for a time limit or a mode that is none.
        RunError: ``X07RUN_ENTRY``, ``X07RUN_POLICY``, ``X07RUN_HOST``, ``X07RUN_PATH``, ``X07RUN_CONTRADICTION``,
            ``X07RUN_FIXTURES`` if the world reads fixtures and there are none.
        PackageError: an installed package is not what the lock says, or lacks its Python distribution.
    """
    world = WORLDS[profile.world]
    _check_values(profile)
    packages = project_packages(project.root, profile.world)
    explained = () if world.solve else _explanations(packages, scratch)
    _check_fixtures(project.root, world)
    limits = ProcessLimits()
    if profile.policy is not None:
        if profile.world != "run-os-sandboxed":
            raise _meaningless(profile.world, "a policy")
        from x07py.run.policy import apply, read_policy

        policy = read_policy(project.root / profile.policy)
        limits, profile = policy.limits, apply(policy, profile)
    _check_grants(profile, more, less)
    write = [*_paths(project.root, profile, "allow_write"), *_recordings(project.root, profile, world)]
    return RunPlan(
        world=profile.world,
        argv=command_line(project.root, profile.entry or project.entry, args, explained, solve=world.solve),
        env=environment(project.root, profile, scratch, explained),
        env_sources={
            name: profile.source("allow_env", text)
            for text in profile.allow_env
            for name in fnmatch.filter(os.environ, text)
        },
        root=project.root,
        allow=(*_hosts(profile, "allow_host"), *more, *_contract_hosts(project.root, profile)),
        deny=(*_hosts(profile, "deny_host"), *less),
        listen=_hosts(profile, "allow_listen"),
        unix=_unix(project.root, profile),
        read=(*_readable(project.root, profile.world), *_paths(project.root, profile, "allow_read")),
        write=(PathGrant(scratch, "always"), *write),
        unread=_unread(project.root, profile, write),
        run=tuple(_program(text, profile.source("allow_run", text)) for text in profile.allow_run),
        limits=limits._replace(memory=profile.max_memory),
        timeout=profile.timeout,
    )


def _check_fixtures(root: Path, world: World) -> None:
    if "fixtures" in world.files and fixture_folder(root) is None:
        raise RunError(
            "X07RUN_FIXTURES",
            f"world {world.name} reads fixtures, and the project has none",
            where=str(root),
            hint=f"make the folder {FIXTURES[1]}, or run in solve-rr or solve-pure",
        )


def _recordings(root: Path, profile: Profile, world: World) -> list[PathGrant]:
    """Return the folder of cassettes, made if need be, where the program records into it."""
    if profile.rr in {None, "off", "replay"}:
        return []
    if world.solve:
        raise RunError(
            "X07RUN_CONTRADICTION",
            f"world {world.name} cannot write, so it cannot {profile.rr.replace('_', ' ')}",
            where="--rr",
            hint="record with --profile sandbox; solve worlds replay",
        )
    cassettes = root / CASSETTES
    refuse_link(cassettes)
    cassettes.mkdir(exist_ok=True)
    return [PathGrant(cassettes, "--rr")]


def _hosts(profile: Profile, kind: str) -> tuple[HostRule, ...]:
    how = {"deny": kind == "deny_host", "listen": kind == "allow_listen"}
    return tuple(parse_host(text, profile.source(kind, text), **how) for text in getattr(profile, kind))


def _contract_hosts(root: Path, profile: Profile) -> list[HostRule]:
    return [
        rule
        for text in profile.allow_contract
        for rule in contract_hosts(root, text, f"{profile.source('allow_contract', text)} {text}")
    ]


def _readable(root: Path, world: str) -> list[PathGrant]:
    """Return the data of the project that a program of `world` may read without a grant."""
    files = WORLDS[world].files
    if not WORLDS[world].solve:
        return [PathGrant(root, "always")]
    fixtures = fixture_folder(root) if "fixtures" in files else None
    found = [fixtures] if fixtures else []
    found += [root / CASSETTES] if "cassettes" in files else []
    for one in found:
        refuse_link(one)
    return [PathGrant(one, f"world {world}") for one in found]


def _check_values(profile: Profile) -> None:
    """Refuse single values that mean nothing; infinity is among the time limits that the quick reading lets through."""
    if profile.timeout is not None and not profile.timeout < _MAX_SECONDS:
        what, hint = f"a time limit of {profile.timeout:g} s is none", f"write less than {_MAX_SECONDS:,} seconds"
        raise UsageError("X07_USAGE", what, where="--timeout", hint=hint)
    if profile.rr is not None:
        from x07py.contracts.rr import MODES

        names = [one.removesuffix("_v1") for one in MODES]
        if profile.rr not in names:
            hint = f"modes: {', '.join(names)}"
            raise UsageError("X07_USAGE", f"there is no mode {profile.rr!r}", where="--rr", hint=hint)


def _check_grants(profile: Profile, more: tuple[HostRule, ...], less: tuple[HostRule, ...]) -> None:
    """Refuse grants that the world cannot honour."""
    grants = {
        "--allow-host": profile.allow_host or more,
        "--deny-host": profile.deny_host or less,
        "--allow-contract": profile.allow_contract,
        "--allow-listen": profile.allow_listen,
        "--allow-unix": profile.allow_unix,
        "--allow-run": profile.allow_run,
        "--allow-write": profile.allow_write,
        "--allow-read": profile.allow_read,
        "--allow-env": profile.allow_env,
        "--deny-read": profile.deny_read,
    }
    given = [name for name, values in grants.items() if values]
    if profile.world != "run-os-sandboxed" and given:
        raise _meaningless(profile.world, given[0])


def _meaningless(world: str, what: str) -> RunError:
    why = "restricts nothing" if world == "run-os" else "is closed"
    return RunError(
        "X07RUN_CONTRADICTION",
        f"world {world} {why}, so {what} has no meaning in it",
        hint="run in world run-os-sandboxed (--profile sandbox), or leave it out",
    )


def _explanations(packages: ProjectPackages, scratch: Path) -> tuple[Path, ...]:
    """Write modules that say why the world refuses a package; on the import path they stand before what is installed.

    In a solve world the import guard says it.
    """
    folder = scratch / "refused"
    for package in packages.refused:
        for module in package.modules:
            try:
                packages.check_import(module)
            except PackageError as error:
                text = f"{error.message}; {error.hint} ({error.code})"
                file = folder.joinpath(*module.split(".")).with_suffix(".py")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(f"raise ImportError({text!r}, name=__name__)\n", encoding="utf-8")
    return (folder,) if packages.refused else ()


def contract_hosts(root: Path, text: str, source: str) -> list[HostRule]:
    """Return the hosts of a broker profile, ``KIND:PROFILE``, that `source` asks for.

    Raises:
        RunError: ``X07RUN_HOST`` for another form.
        PackageError: ``X07PKG_KIND_UNDECLARED`` if the project has a lock, and no package of it provides the kind.
        ContractError: the profile cannot be read.
    """
    from x07py.drivers.plugin import driver_kinds, find_driver

    kind, _, name = text.partition(":")
    if kind not in driver_kinds() or not name:
        hint = f"write KIND:PROFILE; installed kinds: {', '.join(driver_kinds())}"
        raise RunError("X07RUN_HOST", f"{text!r} is no broker profile", where=source, hint=hint)
    check_kind(root, kind)
    driver = find_driver(kind)
    return [parse_host(address, source) for address in driver.addresses(driver.read_profile(root, name))]


def _paths(root: Path, profile: Profile, kind: str) -> list[PathGrant]:
    grants = ((text, profile.source(kind, text)) for text in getattr(profile, kind))
    return [PathGrant(check_grant(text, root, source), source) for text, source in grants]


def _unix(root: Path, profile: Profile) -> tuple[UnixGrant, ...]:
    grants = ((text, profile.source("allow_unix", text)) for text in profile.allow_unix)
    return tuple(UnixGrant(check_unix_grant(text, root, source), source) for text, source in grants)


def _unread(root: Path, profile: Profile, write: list[PathGrant]) -> tuple[PathGrant, ...]:
    """Return what may not be read; the kernel can take nothing out of a folder that is granted for changes.

    Raises:
        RunError: ``X07RUN_CONTRADICTION``, ``X07RUN_PATH`` for a path that is not there.
    """
    found = tuple(_paths(root, profile, "deny_read"))
    for one in found:
        over = next((grant for grant in write if one.path.resolve().is_relative_to(grant.path.resolve())), None)
        if over is not None:
            raise RunError(
                "X07RUN_CONTRADICTION",
                f"{one.path} lies in {over.path}, which the program may change",
                where=one.source,
                hint="grant the other files of that folder for changes, one by one",
            )
    return found


def _program(text: str, source: str) -> PathGrant:
    from shutil import which

    found = which(text)
    if found is None:
        raise RunError("X07RUN_PATH", f"no program {text!r}", where=source, hint="write a path or a name on PATH")
    return PathGrant(Path(found).resolve(), source)


def confinement(
    plan: RunPlan, on_access: Callable[[Access], None] | None = None, report_channel: int | None = None
) -> Confinement:
    """Return what the kernel shall enforce for a plan.

    Args:
        plan: the plan.
        on_access: called with each decision about an access, before it takes effect.
        report_channel: a descriptor for the program to tell about itself.
    """
    solve = WORLDS[plan.world].solve
    everywhere = AddressRules(EVERYWHERE)
    return Confinement(
        argv=plan.argv,
        env=plan.env if report_channel is None else plan.env | {ENV_REPORT_CHANNEL: str(REPORT_CHANNEL)},
        cwd=str(plan.root),
        paths=landlock_rules(plan),
        connect=everywhere if plan.observe else _rules(plan.allow, plan.deny),
        listen=everywhere if plan.observe else _rules(plan.listen, ()),
        unix=UnixRules(tuple(one.target for one in plan.unix), everything=plan.observe),
        wanted=Wanted(
            network=not solve,
            processes=not solve,
            clock=solve,
            tell=not solve and not plan.observe,
            tell_reads=on_access is not None and not plan.observe,
            observe=plan.observe,
        ),
        limits=plan.limits,
        shm=not plan.observe and not any(one.path.is_relative_to(_SHM) for one in plan.write),
        scratch=str(plan.write[0].path) if solve else None,
        names=(Name("*", ((1, 65535),)),) if plan.observe else names_of(plan.allow),
        hosts=hosts_file(list(plan.allow)),
        seed=SEED if solve else None,
        schedule=plan.schedule,
        require=plan.require,
        accept_weaker=plan.accept_weaker,
        on_access=on_access,
        report_channel=report_channel,
    )


def _rules(allow: tuple[HostRule, ...], deny: tuple[HostRule, ...]) -> AddressRules:
    return AddressRules(
        tuple(one for rule in allow for one in rule.ranges), tuple(one for rule in deny for one in rule.ranges)
    )
