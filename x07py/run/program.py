"""From a profile and flags to a command line, an environment, and what the kernel shall let through."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from x07py.contracts.packages import installed_packages
from x07py.errors import PackageError, RunError, UsageError
from x07py.facts import ENV_FACTS
from x07py.run.entry import command_line, import_path
from x07py.run.files import FIXTURES, fixture_folder, landlock_rules
from x07py.run.hosts import HostRule, hosts_file, parse_host
from x07py.run.policy import apply, read_policy
from x07py.sandbox.confine import TOLD, Confinement, Limits
from x07py.sandbox.filter import Wanted
from x07py.sandbox.network import Range, Rules
from x07py.worlds import CASSETTES, ENV_CASSETTE, ENV_MODE, ENV_POLICY, ENV_WORLD, WORLDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.contracts.packages import Installed
    from x07py.run.profile import Place, Profile
    from x07py.sandbox.answers import Access

PASSED = re.compile(
    r"PATH|LANG|LANGUAGE|LC_[A-Z]+|TZ|TERM|COLORTERM|NO_COLOR|COLUMNS|LINES|X07_(KAFKA|AMQP)_[A-Z0-9_]+"
)
"""Names of variables that every program gets, whole string."""

_CONSTANT = {
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "PATH": "/usr/bin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
}
_MAX_SECONDS = 1_000_000_000
SEED = b"x07"
"""What randomness comes from in a solve world."""


class PathGrant(NamedTuple):
    """A path that is granted, and by what: a flag, a profile, a policy, the world."""

    path: Path
    source: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is decided before a program starts.

    Args:
        world: the world it runs in.
        argv: command line; the program is a path.
        env: environment.
        env_sources: what granted those of its variables that not every program gets.
        root: working folder.
        allow: hosts that it may connect to.
        deny: hosts that it may not, even so.
        listen: addresses that it may listen on.
        read: folders and files that it may read, beyond the system's.
        write: those that it may change.
        run: programs that it may start.
        limits: bounds a process.
        timeout: seconds, or None.
        observe: let it do what it wants, and watch.
        require: layers of the sandbox without which it must not run.
        accept_weaker: run also where a layer is missing that nothing stands in for.
    """

    world: str
    argv: tuple[str, ...]
    env: dict[str, str]
    env_sources: dict[str, str]
    root: Path
    allow: tuple[HostRule, ...]
    deny: tuple[HostRule, ...]
    listen: tuple[HostRule, ...]
    read: tuple[PathGrant, ...]
    write: tuple[PathGrant, ...]
    run: tuple[PathGrant, ...]
    limits: Limits
    timeout: float | None
    observe: bool = False
    require: tuple[str, ...] = ()
    accept_weaker: bool = False


def make_plan(
    place: Place,
    profile: Profile,
    args: list[str],
    scratch: Path,
    *,
    more: tuple[HostRule, ...] = (),
    less: tuple[HostRule, ...] = (),
) -> Plan:
    """Decide what a program gets.

    Args:
        place: the project.
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
    installed = installed_packages(place.root, profile.world)
    packages = installed.roots if world.solve else (*installed.roots, *_explanations(installed, scratch))
    if "fixtures" in world.files and fixture_folder(place.root) is None:
        raise RunError(
            "X07RUN_FIXTURES",
            f"world {world.name} reads fixtures, and the project has none",
            where=str(place.root),
            hint=f"make the folder {FIXTURES[1]}, or run in solve-rr or solve-pure",
        )
    limits = Limits()
    if profile.policy is not None:
        if profile.world != "run-os-sandboxed":
            raise _meaningless(profile.world, "a policy")
        policy = read_policy(place.root / profile.policy)
        limits, profile = policy.limits, apply(policy, profile)
    _check_grants(profile, more, less)
    write = _paths(place.root, profile, "allow_write")
    if profile.rr not in {None, "off", "replay"} and world.solve:
        raise RunError(
            "X07RUN_CONTRADICTION",
            f"world {world.name} cannot write, so it cannot {profile.rr.replace('_', ' ')}",
            where="--rr",
            hint="record with --profile sandbox; solve worlds replay",
        )
    if profile.rr not in {None, "off", "replay"}:
        cassettes = place.root / CASSETTES
        cassettes.mkdir(exist_ok=True)
        write.append(PathGrant(cassettes, "--rr"))
    return Plan(
        world=profile.world,
        argv=command_line(place.root, profile.entry or place.entry, args, packages, solve=world.solve),
        env=environment(place.root, profile, scratch, packages),
        env_sources={name: profile.source("allow_env", name) for name in profile.allow_env},
        root=place.root,
        allow=(*_hosts(profile, "allow_host"), *more, *_contract_hosts(place.root, profile)),
        deny=(*_hosts(profile, "deny_host"), *less),
        listen=_hosts(profile, "allow_listen"),
        read=(*_readable(place.root, profile.world), *_paths(place.root, profile, "allow_read")),
        write=(PathGrant(scratch, "always"), *write),
        run=tuple(_program(text, profile.source("allow_run", text)) for text in profile.allow_run),
        limits=replace(limits, memory=profile.max_memory),
        timeout=profile.timeout,
    )


def _hosts(profile: Profile, kind: str) -> tuple[HostRule, ...]:
    deny = kind == "deny_host"
    return tuple(parse_host(text, profile.source(kind, text), deny=deny) for text in getattr(profile, kind))


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
        "--allow-run": profile.allow_run,
        "--allow-write": profile.allow_write,
        "--allow-read": profile.allow_read,
        "--allow-env": profile.allow_env,
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


def _explanations(installed: Installed, scratch: Path) -> tuple[Path, ...]:
    """Write modules that say why the world refuses a package; last on the import path, they hide nothing.

    In a solve world the import guard says it.
    """
    folder = scratch / "refused"
    for package in installed.refused:
        for module in package.modules:
            try:
                installed.check_import(module)
            except PackageError as error:
                text = f"{error.message}; {error.hint} ({error.code})"
                file = folder.joinpath(*module.split(".")).with_suffix(".py")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(f"raise ImportError({text!r}, name=__name__)\n", encoding="utf-8")
    return (folder,) if installed.refused else ()


def environment(root: Path, profile: Profile, scratch: Path, packages: tuple[Path, ...]) -> dict[str, str]:
    """Return the program's environment: what is listed; in ``run-os`` everything, in a solve world constants.

    Raises:
        RunError: ``X07RUN_ENV`` for a variable of ``--allow-env`` that is not set.
    """
    own = dict(os.environ)
    whole = profile.world == "run-os"
    missing = [name for name in profile.allow_env if name not in own]
    if missing:
        raise RunError(
            "X07RUN_ENV",
            f"{missing[0]} is not set",
            where=profile.source("allow_env", missing[0]),
            hint="set it, or leave the grant out",
        )
    if WORLDS[profile.world].solve:
        env = dict(_CONSTANT)
    elif whole:
        env = own
    else:
        env = {name: own[name] for name in own if PASSED.fullmatch(name) or name in profile.allow_env}
        env |= {"HOME": str(scratch), "TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}
    inherited = [own["PYTHONPATH"]] if whole and own.get("PYTHONPATH") else []
    env |= {"PYTHONPATH": os.pathsep.join(import_path(root, packages) + inherited), ENV_WORLD: profile.world}
    for name, value in ((ENV_MODE, profile.rr), (ENV_CASSETTE, profile.cassette)):
        env.pop(name, None)
        if value is not None:
            env[name] = value
    if ENV_POLICY in own:
        env[ENV_POLICY] = own[ENV_POLICY]
    return env


def contract_hosts(root: Path, text: str, source: str) -> list[HostRule]:
    """Return the hosts of a broker profile, ``kafka:PROFILE`` or ``amqp:PROFILE``, that `source` asks for.

    Raises:
        RunError: ``X07RUN_HOST`` for another form.
        ContractError: the profile cannot be read.
    """
    kind, _, name = text.partition(":")
    if kind not in {"kafka", "amqp"} or not name:
        raise RunError("X07RUN_HOST", f"{text!r} is no broker profile", where=source, hint="write kafka:PROFILE")
    from x07py.contracts.messaging import read_amqp_profile, read_kafka_profile
    from x07py.drivers.open import addressed

    if kind == "kafka":
        addresses = list(addressed(read_kafka_profile(root, name)).bootstrap)
    else:
        amqp = addressed(read_amqp_profile(root, name))
        addresses = [f"[{amqp.host}]:{amqp.port}" if ":" in amqp.host else f"{amqp.host}:{amqp.port}"]
    return [parse_host(address, source) for address in addresses]


def _paths(root: Path, profile: Profile, kind: str) -> list[PathGrant]:
    found: list[PathGrant] = []
    for text in getattr(profile, kind):
        grant = PathGrant((root / text).resolve(), profile.source(kind, text))
        if not grant.path.exists():
            hint = "make it first, or check the path"
            raise RunError("X07RUN_PATH", f"{text!r} does not exist", where=grant.source, hint=hint)
        found.append(grant)
    return found


def _program(text: str, source: str) -> PathGrant:
    found = shutil.which(text)
    if found is None:
        raise RunError("X07RUN_PATH", f"no program {text!r}", where=source, hint="write a path or a name on PATH")
    return PathGrant(Path(found).resolve(), source)


def confinement(plan: Plan, on_access: Callable[[Access], None] | None = None, told: int | None = None) -> Confinement:
    """Return what the kernel shall enforce for a plan.

    Args:
        plan: the plan.
        on_access: called with each decision about an access, before it takes effect.
        told: a descriptor for the program to tell about itself.
    """
    solve = WORLDS[plan.world].solve
    everywhere = Rules((Range(bytes(16), 0, 0, 65535),))
    return Confinement(
        argv=plan.argv,
        env=plan.env if told is None else plan.env | {ENV_FACTS: str(TOLD)},
        cwd=str(plan.root),
        paths=landlock_rules(plan),
        connect=everywhere if plan.observe else _rules(plan.allow, plan.deny),
        listen=everywhere if plan.observe else _rules(plan.listen, ()),
        wanted=Wanted(
            network=not solve,
            listen=bool(plan.listen) or plan.observe,
            processes=not solve,
            clock=solve,
            observe=plan.observe,
        ),
        limits=plan.limits,
        hosts=hosts_file(list(plan.allow)),
        seed=SEED if solve else None,
        require=plan.require,
        accept_weaker=plan.accept_weaker,
        on_access=on_access,
        told=told,
    )


def _rules(allow: tuple[HostRule, ...], deny: tuple[HostRule, ...]) -> Rules:
    return Rules(
        tuple(one for rule in allow for one in rule.ranges), tuple(one for rule in deny for one in rule.ranges)
    )
