"""From a profile and flags to a command line, an environment, and what the kernel shall let through."""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.contracts.packages import installed_packages
from x07py.errors import PackageError, RunError
from x07py.facts import ENV_FACTS
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
BOOTSTRAP = "x07py.run.bootstrap"
SEED = b"x07"
"""What randomness comes from in a solve world."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is decided before a program starts.

    Args:
        world: the world it runs in.
        argv: command line; the program is a path.
        env: environment.
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
    root: Path
    allow: tuple[HostRule, ...]
    deny: tuple[HostRule, ...]
    listen: tuple[HostRule, ...]
    read: tuple[Path, ...]
    write: tuple[Path, ...]
    run: tuple[Path, ...]
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
        RunError: ``X07RUN_ENTRY``, ``X07RUN_POLICY``, ``X07RUN_HOST``, ``X07RUN_PATH``, ``X07RUN_CONTRADICTION``,
            ``X07RUN_FIXTURES`` if the world reads fixtures and there are none.
        PackageError: an installed package is not what the lock says, or lacks its Python distribution.
    """
    world = WORLDS[profile.world]
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
    allow = [parse_host(text, "--allow-host") for text in profile.allow_host] + list(more)
    allow += [rule for text in profile.allow_contract for rule in contract_hosts(place.root, text)]
    write = [_path(place.root, text, "--allow-write") for text in profile.allow_write]
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
        write.append(cassettes)
    return Plan(
        world=profile.world,
        argv=command_line(place.root, profile.entry or place.entry, args, packages, solve=world.solve),
        env=environment(place.root, profile, scratch, packages),
        root=place.root,
        allow=tuple(allow),
        deny=(*(parse_host(text, "--deny-host", deny=True) for text in profile.deny_host), *less),
        listen=tuple(parse_host(text, "--allow-listen") for text in profile.allow_listen),
        read=(place.root, *(_path(place.root, text, "--allow-read") for text in profile.allow_read)),
        write=(scratch, *write),
        run=tuple(_program(text) for text in profile.allow_run),
        limits=replace(limits, memory=profile.max_memory),
        timeout=profile.timeout,
    )


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


def command_line(
    root: Path, entry: str | None, args: list[str], packages: tuple[Path, ...], *, solve: bool = False
) -> tuple[str, ...]:
    """Return the command for an entry: ``module``, ``module:function``, or a Python file of the project.

    In a solve world, `x07py.run.bootstrap` comes first; `packages` are the import roots of installed packages.

    Raises:
        RunError: ``X07RUN_ENTRY``.
    """
    if not entry:
        raise RunError(
            "X07RUN_ENTRY",
            "nothing says which program to run",
            where=str(root),
            hint='add entry = "package" to [tool.x07] in pyproject.toml or to x07.toml, or pass --entry',
        )
    if entry.endswith(".py"):
        if not (root / entry).is_file():
            raise RunError("X07RUN_ENTRY", f"there is no file {entry!r}", where=str(root), hint="check the entry")
        start = ("-m", BOOTSTRAP) if solve else ()
        return (sys.executable, *start, str(root / entry), *args)
    module, colon, function = entry.partition(":")
    if not all(part.isidentifier() for part in module.split(".")) or (colon and not function.isidentifier()):
        raise RunError(
            "X07RUN_ENTRY", f"{entry!r} is no entry", where=str(root), hint="write module, module:function or file.py"
        )
    if not _module_exists(root, module, packages):
        raise RunError("X07RUN_ENTRY", f"there is no module {module!r}", where=str(root), hint="check the entry")
    if solve:
        return (sys.executable, "-m", BOOTSTRAP, entry, *args)
    if not colon:
        return (sys.executable, "-m", module, *args)
    call = f"import sys\nfrom {module} import {function}\nsys.exit({function}())"
    return (sys.executable, "-c", call, *args)


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


def _module_exists(root: Path, module: str, packages: tuple[Path, ...]) -> bool:
    from importlib.machinery import PathFinder

    found = PathFinder.find_spec(module.partition(".")[0], [*import_path(root, packages), *sys.path])
    return found is not None


def import_path(root: Path, packages: tuple[Path, ...]) -> list[str]:
    """Return where a program's modules lie: ``src``, the project, and the import roots of `packages`."""
    return [str(folder) for folder in (root / "src", root, *packages) if folder.is_dir()]


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
            "X07RUN_ENV", f"{missing[0]} is not set", where="--allow-env", hint="set it, or leave the grant out"
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


def contract_hosts(root: Path, text: str) -> list[HostRule]:
    """Return the hosts of a broker profile, ``kafka:PROFILE`` or ``amqp:PROFILE``.

    Raises:
        RunError: ``X07RUN_HOST`` for another form.
        ContractError: the profile cannot be read.
    """
    kind, _, name = text.partition(":")
    if kind not in {"kafka", "amqp"} or not name:
        raise RunError(
            "X07RUN_HOST", f"{text!r} is no broker profile", where="--allow-contract", hint="write kafka:PROFILE"
        )
    from x07py.contracts.messaging import read_amqp_profile, read_kafka_profile
    from x07py.drivers.open import addressed

    if kind == "kafka":
        addresses = list(addressed(read_kafka_profile(root, name)).bootstrap)
    else:
        amqp = addressed(read_amqp_profile(root, name))
        addresses = [f"[{amqp.host}]:{amqp.port}" if ":" in amqp.host else f"{amqp.host}:{amqp.port}"]
    return [parse_host(address, f"--allow-contract {text}") for address in addresses]


def _path(root: Path, text: str, source: str) -> Path:
    path = (root / text).resolve()
    if not path.exists():
        raise RunError("X07RUN_PATH", f"{text!r} does not exist", where=source, hint="make it first, or check the path")
    return path


def _program(text: str) -> Path:
    found = shutil.which(text)
    if found is None:
        raise RunError(
            "X07RUN_PATH", f"no program {text!r}", where="--allow-run", hint="write a path or a name on PATH"
        )
    return Path(found).resolve()


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
