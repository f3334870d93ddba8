"""``x07 explore``: run a program in every history that its broker could have produced."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from x07py.cli.commands import Commands, Exit, argument, option
from x07py.contracts.loader import find_root
from x07py.contracts.project import find_manifest, read_project
from x07py.errors import UsageError
from x07py.explore.campaign import explore
from x07py.explore.drawn import explore_drawn
from x07py.explore.faults import FAMILIES
from x07py.explore.inputs import read_inputs
from x07py.explore.kept import keep, schedule_of
from x07py.explore.order import UNTIL_IDLE_S, Order, wire_families
from x07py.explore.program import Program
from x07py.explore.promises import Promises, parse_promise, read_promises
from x07py.explore.report import joined, read_reports, report_of, text_report
from x07py.explore.services import read_answers
from x07py.explore.sources import goes_over_the_wire
from x07py.explore.strategies import drawn_from
from x07py.printing import json_text, terminal
from x07py.worlds import CASSETTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from x07py.explore.campaign import Explored
    from x07py.explore.report import Report
    from x07py.explore.search import Coverage

app: Commands = Commands()
EXIT_FOUND = 1
_MOST, _MOST_OVER_THE_WIRE = 2000, 100
_STRATEGY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
"""A strategy, as ``module:name``."""


@app.command(name="explore")
def explore_program(
    inputs: Annotated[
        Path,
        argument(
            metavar="INPUTS",
            help="A cassette, a .jsonl file with a message a line, or module:name of a strategy of hypothesis for "
            "lists of messages.",
        ),
    ],
    command: Annotated[
        list[str] | None,
        argument(
            metavar="[-- [PROGRAM] ARGS...]",
            help="The program, as module, module:function or file.py, and its arguments; the project's entry if no "
            "program is named.",
            show_default=False,
        ),
    ] = None,
    histories: Annotated[
        int, option("--histories", min=0, help="The most histories to run; 0 is 2000, over the wire 100.")
    ] = 0,
    seed: Annotated[int, option("--seed", help="Seed; the same one gives the same histories.")] = 0,
    members: Annotated[int, option("--members", min=0, max=26, help="How many instances run.")] = 0,
    faults: Annotated[
        str, option("--faults", help=f"Families to explore, by commas: {', '.join(FAMILIES)}. Default: all.")
    ] = "",
    shard: Annotated[str, option("--shard", help="Part I of N of the histories, as 1/4.")] = "1/1",
    promise: Annotated[
        list[str] | None,
        option("--promise", help="TOPIC:results=set|ce_id|sequence,duplicates=...,order=...; repeat it."),
    ] = None,
    dead_letter: Annotated[
        list[str] | None,
        option("--dead-letter", help="Topic of dead letters; adds an input that cannot be handled."),
    ] = None,
    invariant: Annotated[
        list[str] | None, option("--invariant", help="module:function, called with each history; repeat it.")
    ] = None,
    topic: Annotated[str, option("--topic", help="Of messages of a file or strategy that name none.")] = "orders",
    cores: Annotated[int, option("--cores", min=0, help="How many processes; 0 is one a core, over the wire two.")] = 0,
    until_idle: Annotated[
        float | None,
        option(
            "--until-idle",
            min=0.1,
            max=60,
            help="Over the wire, end the program after so many seconds without anything happening. Default: 2.",
            show_default=False,
        ),
    ] = None,
    join: Annotated[
        bool, option("--join", help="INPUTS is a folder with the JSON reports of shards: show them as one.")
    ] = False,
    output: Annotated[str, option("--format", help="text or json.")] = "text",
) -> None:
    """Run a program in other histories that this broker could have produced: crashes, lost confirms, rebalances.

    A program that uses open_driver runs in this process and in virtual time; one with a client of its own
    (confluent-kafka, aiokafka, kafka-python, pika, aio-pika) as a process of its own, over the wire and in real time.

    What a program promises of its topics stands in the table tool.x07.explore of pyproject.toml. Exit code 1 if a
    promise is broken; the shortest history is kept as a cassette below .x07_rr/explore.

    Example: x07 explore orders.x07rr.bin --histories 500 -- work
    """
    if join:
        _tell(joined(read_reports(inputs)), output)
        return
    root = find_root()
    promises = _promises(root, promise, dead_letter, invariant, members)
    entry, args = _program(root, command or [])
    idle_s = _idle_s(until_idle, over_the_wire=goes_over_the_wire(root, entry))
    families = _families(faults, wire_families(promises) if idle_s else FAMILIES)
    order = Order(root, entry, args, (), promises, families, seed, until_idle_s=idle_s)
    limits = _Limits(histories or (_MOST_OVER_THE_WIRE if idle_s else _MOST), _shard(shard), cores)
    file = _file(root, inputs)
    if _STRATEGY.fullmatch(str(inputs)) and not file.exists():
        explored = _with_drawn(order, str(inputs), topic, limits)
    else:
        order = replace(order, inputs=read_inputs(file, topic), answers=read_answers(file))
        explored = explore(order, limits.histories, shard=limits.shard, cores=cores, progress=_show)
    _show_end()
    kept = [keep(root, schedule_of(order, one), one) for one in explored.found]
    _tell(report_of(order, explored, kept), output)


class _Limits(NamedTuple):
    """How many histories are run, which part of them here, and by how many processes."""

    histories: int
    shard: tuple[int, int]
    cores: int


def _with_drawn(order: Order, name: str, topic: str, limits: _Limits) -> Explored:
    """Explore with the inputs that a strategy of a module of the project draws."""
    if order.command is not None:
        hint = "write some inputs into a .jsonl file"
        raise UsageError("X07EXPLORE_WIRE", "over the wire no inputs are drawn", where=name, hint=hint)
    program = Program(order.root, order.entry, order.args)
    program.install()
    try:
        given = drawn_from(program.named(name), topic, name)
    except ModuleNotFoundError as error:
        hint = f"pip install {error.name}" if error.name == "hypothesis" else "the inputs are a strategy of hypothesis"
        what = f"{name} cannot be imported: {error}"
        raise UsageError("X07EXPLORE_INPUTS", what, where=name, hint=hint) from None
    finally:
        program.remove()
    return explore_drawn(order, given, limits.histories, shard=limits.shard, cores=limits.cores, progress=_show)


def _tell(report: Report, output: str) -> None:
    """Show a report; end with 1 if something was found."""
    if output == "json":
        sys.stdout.write(json_text(report) + "\n")
    else:
        sys.stdout.write(terminal("\n".join(text_report(report))) + "\n")
    if report["found"] or report["not_again"]:
        raise Exit(EXIT_FOUND)


def _idle_s(given: float | None, *, over_the_wire: bool) -> float:
    """Return after how much silence a program over the wire is at its end, 0 for one in virtual time."""
    if over_the_wire:
        return UNTIL_IDLE_S if given is None else given
    if given is not None:
        hint = "leave it out: a program that uses open_driver runs in virtual time"
        what = "the program is not explored over the wire"
        raise UsageError("X07EXPLORE_WIRE", what, where="--until-idle", hint=hint)
    return 0.0


def _families(text: str, known: Sequence[str]) -> frozenset[str]:
    if not text:
        return frozenset(known)
    found = frozenset(part.strip() for part in text.split(","))
    odd = found - {*known}
    if odd:
        where = " over the wire" if min(odd) in FAMILIES else ""
        what = f"no faults are called {min(odd)!r}{where}"
        raise UsageError("X07EXPLORE_FAULTS", what, where="--faults", hint=", ".join(known))
    return found


def _promises(
    root: Path, promise: list[str] | None, letters: list[str] | None, own: list[str] | None, members: int
) -> Promises:
    stated = read_promises(root)
    return replace(
        stated,
        topics={**stated.topics, **dict(map(parse_promise, promise or ()))},
        dead_letters=tuple(dict.fromkeys((*stated.dead_letters, *(letters or ())))),
        invariants=tuple(dict.fromkeys((*stated.invariants, *(own or ())))),
        instances=members or stated.instances,
    )


def _program(root: Path, command: list[str]) -> tuple[str, tuple[str, ...]]:
    """Return entry and arguments: the first word names the program if it can, else the project's entry is run."""
    words = command[1:] if command and Path(command[0]).name.startswith("python") else command
    if words and words[0] == "-m":
        words = words[1:]
    if words and _names_a_program(root, words[0]):
        return words[0], tuple(words[1:])
    entry = read_project(root).settings.get("entry") if find_manifest(root) else None
    if not isinstance(entry, str) or not entry:
        hint = "name the program: x07 explore INPUTS -- module, module:function or file.py, and its arguments"
        raise UsageError("X07EXPLORE_ENTRY", "no program is named, and the project has no entry", hint=hint)
    return entry, tuple(words)


def _names_a_program(root: Path, word: str) -> bool:
    module = word.partition(":")[0]
    if module.endswith(".py"):
        return (root / module).is_file()
    path = module.replace(".", "/")
    return any((root / base / path).is_dir() or (root / base / f"{path}.py").is_file() for base in ("src", "."))


def _file(root: Path, path: Path) -> Path:
    return path if path.exists() else root / CASSETTES / path


def _shard(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise UsageError("X07EXPLORE_SHARD", f"{text!r} is no shard", where="--shard", hint="as 1/4: part 1 of 4")
    return int(number), int(count)


def _show(coverage: Coverage, total: int, seconds: float) -> None:
    """Keep one line about how far it is, on a terminal."""
    if sys.stderr.isatty():
        rate = coverage.histories / max(seconds, 1e-9)
        met = len(coverage.faults)
        sys.stderr.write(f"\r{coverage.histories:,} of {total:,} histories, {rate:,.1f} a second, {met} faults met  ")
        sys.stderr.flush()


def _show_end() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
