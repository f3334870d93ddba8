"""``x07 effects``: what code reaches, and through which calls."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from enum import StrEnum
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from x07py.arch.scan.allowances import allowances, allows
from x07py.cli.commands import Commands, argument, option
from x07py.cli.output import console, print_json
from x07py.cli.unseen import print_unseen
from x07py.effects.analysis import Answer, Question, analyze
from x07py.effects.distributions import distribution_modules
from x07py.effects.finder import environment_of, this_environment
from x07py.errors import UsageError
from x07py.files import CONTRACT_BYTES, SOURCE_BYTES, load_json, read_file, replace_file
from x07py.printing import terminal

if TYPE_CHECKING:
    from collections.abc import Collection

    from x07py.arch.scan.allowances import Allowance
    from x07py.effects.finder import Environment
    from x07py.effects.graph import Reach

SCHEMA = "x07py.effects.report@0.1.0"


class EffectsFormat(StrEnum):
    """The values of ``--format`` of `x07 effects`."""

    text = "text"
    json = "json"
    html = "html"


app: Commands = Commands()


@app.command()
def effects(
    target: Annotated[str, argument(metavar="[MODULE[:FUNCTION]]", help="Of the project: app.core:price.")] = "",
    distribution: Annotated[str, option(metavar="NAME", help="An installed distribution instead.")] = "",
    diff: Annotated[
        tuple[Path, Path] | None,
        option(metavar="OLD NEW", help="Two JSON reports: what the second newly reaches."),
    ] = None,
    repo_root: Annotated[Path, option(help="The project's folder.")] = Path(),
    python: Annotated[Path | None, option(help="A virtual environment to read packages from; it is not run.")] = None,
    explain: Annotated[bool, option("--explain", help="Also what could not be followed or was left out.")] = False,
    format: Annotated[EffectsFormat, option(help="How to print; html is one page.")] = EffectsFormat.text,  # noqa: A002
    output: Annotated[
        Path | None, option("--output", "-o", help="With html: file to write; else standard output.")
    ] = None,
) -> None:
    """Tell what a module, a function or a distribution reaches; nothing of it is imported or run.

    Example: x07 effects app.core:price
    """
    if bool(target) + bool(distribution) + bool(diff) != 1:
        raise UsageError(
            "X07_USAGE", "give a module, --distribution NAME, or --diff OLD NEW", hint="x07 effects app.core"
        )
    if output is not None and format is not EffectsFormat.html:
        raise UsageError("X07_USAGE", "--output is for --format html", hint="give both")
    if diff is not None:
        if format is EffectsFormat.html:
            raise UsageError("X07_USAGE", "a difference is text or JSON", hint="--format json")
        _print_difference(*map(_report, diff), format=format)
        return
    environment = environment_of(python) if python is not None else this_environment()
    module, _, function = target.partition(":")
    project = distribution_modules(distribution, environment) if distribution else _project(repo_root)
    judged = tuple(sorted(project)) if distribution else (module,)
    if not distribution and module not in project:
        raise UsageError(
            "X07_USAGE",
            f"the project has no module {module!r}",
            where=str(repo_root.resolve()),
            hint=_instead(module, project),
        )
    question = Question(project, judged, environment, root=repo_root, function=function, installed=bool(distribution))
    answer = analyze(question)
    rows = [(name, reach) for name in judged for reach in answer.findings(name) if _asked(reach, function)]
    if function and not any(one.name == function for one in answer.functions[module]):
        raise UsageError("X07_USAGE", f"{module} has no function {function!r}", hint="methods: module:Class.method")
    comments = () if distribution or module in answer.unread else _comments(project[module])
    document = _document(distribution or target, rows, answer, environment, comments)
    match format:
        case EffectsFormat.json:
            print_json(document)
        case EffectsFormat.html:
            _write_page(document, output)
        case EffectsFormat.text:
            _print(rows, answer, comments, explain=explain)


def _write_page(document: dict[str, Any], output: Path | None) -> None:
    from x07py.cli.effects_page import effects_page

    page = effects_page(document)
    if output is None:
        sys.stdout.write(terminal(page))
    else:
        replace_file(output, page.encode())


def _asked(reach: Reach, function: str) -> bool:
    return not function or reach.steps[0].function == function


def _project(root: Path) -> dict[str, str]:
    from x07py.arch.scan.module_files import Scan, module_files
    from x07py.arch.scan.module_names import ModuleNames

    base = root.resolve()
    files = [file.path for file in module_files(root, Scan())[0] if file.path.endswith(".py") and not file.link]
    names = ModuleNames(root, (), files)
    return {names.name(path): f"{base}/{path}" for path in files}


def _comments(path: str) -> tuple[Allowance, ...]:
    from x07py.files import decoded

    return allowances(decoded(read_file(Path(path), limit=SOURCE_BYTES)))


def _reason(comments: tuple[Allowance, ...], reach: Reach) -> str | None:
    """Return why a comment allows what is reached, None if none does."""
    for _, line, what, reason in comments:
        if line == reach.steps[0].line and reason and allows(what, reach.end.capability):
            return reason
    return None


def _document(
    about: str,
    rows: list[tuple[str, Reach]],
    answer: Answer,
    environment: Environment,
    comments: tuple[Allowance, ...],
) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA,
        "about": about,
        "python": ".".join(map(str, environment.version)),
        "read": {"modules": answer.modules, "distributions": list(answer.distributions), "unread": answer.unread},
        "reaches": [
            {
                "module": name,
                "function": reach.steps[0].function,
                "line": reach.steps[0].line,
                "capability": reach.end.capability,
                "primitive": reach.end.name,
                "reason": reach.end.reason,
                "allowed": _reason(comments, reach),
                "chain": [step._asdict() for step in reach.steps],
            }
            for name, reach in rows
        ],
        "unresolved": [
            {"module": name, "function": function, "line": line, "call": text}
            for name, calls in sorted(answer.unresolved.items())
            for function, line, text in calls
        ],
        "left_out": {
            "quiet": answer.quiet,
            "at_import": [
                dict(zip(("package", "capability", "primitive"), row, strict=True)) for row in answer.at_import
            ],
        },
    }


def _print(rows: list[tuple[str, Reach]], answer: Answer, comments: tuple[Allowance, ...], *, explain: bool) -> None:
    out = console()
    for name, reach in rows:
        first = reach.steps[0]
        place = f"{name}:{first.line}" + (f" in {first.function}" if first.function else "")
        out.print(f"{reach.end.capability:<12} {place}", style="bold")
        for step in reach.steps:
            out.print(f"    {step.module}:{step.line} reaches {step.target.removeprefix('builtins.')}")
        if explain and (reason := _reason(comments, reach)):
            out.print(f"    allowed by a comment: {reason}")
    if explain:
        print_unseen(answer)
    calls_left = sum(map(len, answer.unresolved.values()))
    out.print(f"{len(rows)} found; read {answer.summary()}; {calls_left} calls not followed")


def _report(path: Path) -> dict[str, Any]:
    try:
        document = load_json(read_file(path, limit=CONTRACT_BYTES))
    except (OSError, ValueError) as error:
        raise UsageError(
            "X07_USAGE", f"not a report: {error}", where=str(path), hint="x07 effects --format json"
        ) from None
    if not isinstance(document, dict) or document.get("schema_version") != SCHEMA:
        raise UsageError("X07_USAGE", f"not a report of {SCHEMA}", where=str(path), hint="x07 effects --format json")
    return document


def _print_difference(old: dict[str, Any], new: dict[str, Any], *, format: EffectsFormat) -> None:  # noqa: A002
    def reached(report: dict[str, Any]) -> dict[tuple[str, str, str, str], dict[str, Any]]:
        keys = "module", "function", "capability", "primitive"
        return {(row[keys[0]], row[keys[1]], row[keys[2]], row[keys[3]]): row for row in report["reaches"]}

    before, after = reached(old), reached(new)
    added = [after[key] for key in sorted(after.keys() - before.keys())]
    gone = [before[key] for key in sorted(before.keys() - after.keys())]
    capabilities = sorted({row["capability"] for row in added} - {row["capability"] for row in old["reaches"]})
    if format is EffectsFormat.json:
        document = {"schema_version": "x07py.effects.difference@0.1.0", "added": added, "gone": gone}
        print_json({**document, "new_capabilities": capabilities})
        return
    out = console()
    for sign, rows in (("+", added), ("-", gone)):
        for row in rows:
            where = f"{row['module']}:{row['line']} {row['function']}".rstrip()
            out.print(f"{sign} {row['capability']:<12} {where} reaches {row['primitive']}")
    shown = f"; new capabilities: {', '.join(capabilities)}" if capabilities else ""
    out.print(f"{len(added)} added, {len(gone)} gone{shown}")


def _instead(module: str, project: Collection[str]) -> str:
    """Return what to ask for where the project has no such module: the nearest, or the distribution that has it."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return f"{top} is Python's own: ask for a module of yours that uses it, with --explain"
    owners = packages_distributions().get(top, [])
    if owners:
        return f"{top} is installed: x07 effects --distribution {owners[0]}"
    near = get_close_matches(module, project, n=3)
    known = near or sorted(project)[:5]
    return f"did you mean {', '.join(known)}?" if known else "there is no module here; --repo-root names the project"
