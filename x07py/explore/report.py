"""What an exploration says at its end, alone or all its shards together: what was covered, what not, what was found."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any

from x07py.drivers.base import canonical_json
from x07py.errors import UsageError
from x07py.explore.faults import FAMILIES
from x07py.explore.story import tell
from x07py.files import load_json, read_file
from x07py.printing import counted, terminal
from x07py.testing.network import can_step_out

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from x07py.explore.campaign import Explored
    from x07py.explore.order import Order

_MOST_NAMED = 6
_MANY = 10
_REPORT_BYTES = 64_000_000
_WHERE = "--join"
Report = dict[str, Any]


def report_of(order: Order, explored: Explored, kept: Sequence[Path]) -> Report:
    """Return the report for programs, from which the one for people is made."""
    coverage, space = explored.coverage, explored.space
    return {
        "campaign": _campaign(order, explored),
        "shards": [explored.shard[0]],
        "of_shards": explored.shard[1],
        "histories": coverage.histories,
        "inputs": sum(map(len, explored.inputs)),
        "drawn": len(explored.inputs) if explored.drawn else 0,
        "seconds": round(explored.seconds, 3),
        "lives": coverage.lives,
        "coverage": {**dict.fromkeys(space.kinds, 0), **dict(sorted(coverage.faults.items()))},
        "singles": {"all": space.singles, "explored": space.singles_run},
        "pairs": {"all": space.pairs, "explored": space.pairs_run},
        "families": sorted(order.families),
        "over_the_wire": order.command is not None,
        "tells_time": coverage.tells_time,
        "network": can_step_out(),
        "found": [
            {
                "invariant": one.finding.invariant,
                "where": one.finding.where,
                "what": one.finding.what,
                "faults": one.history.faults,
                "inputs": len(one.inputs),
                "lives": len(one.history.lives),
                "decisions": one.decisions,
                "story": tell(one),
                "cassette": str(path),
            }
            for one, path in zip(explored.found, kept, strict=True)
        ],
        "not_again": [
            f"{finding.invariant}: {finding.where}: {finding.what}; {decisions}"
            for finding, decisions in (explored.unshrunk[:1] if not explored.found else [])
        ],
    }


def _campaign(order: Order, explored: Explored) -> str:
    """Return what the shards of one exploration have in common, as a digest."""
    promises = order.promises
    about = {
        "program": [order.entry, *order.args, *map(list, order.call)],
        "inputs": [[one.document() for one in some] for some in explored.inputs],
        "answers": [one.document() for one in order.answers],
        "promises": [repr(sorted(promises.topics.items())), repr(promises)],
        "families": sorted(order.families),
        "seed": order.seed,
        "histories": explored.histories,
    }
    return hashlib.sha256(canonical_json(about)).hexdigest()[:16]


def read_reports(folder: Path) -> list[Report]:
    """Return the JSON reports that lie in a folder.

    Raises:
        UsageError: ``X07EXPLORE_SHARD`` if there is none, or one is no report of an exploration.
    """
    hint = "x07 explore INPUTS --shard I/N --format json > FOLDER/I.json, then x07 explore FOLDER --join"
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            report = load_json(read_file(path, limit=_REPORT_BYTES, root=folder))
            text_report(report)
        except (ValueError, TypeError, KeyError, AttributeError):
            message = "this is no report of an exploration"
            raise UsageError("X07EXPLORE_SHARD", message, where=str(path), hint=hint) from None
        found.append(report)
    if not found:
        raise UsageError("X07EXPLORE_SHARD", "no report of a shard is there", where=str(folder), hint=hint)
    return found


def joined(reports: Sequence[Report]) -> Report:
    """Return the reports of shards of one exploration as one.

    Raises:
        UsageError: ``X07EXPLORE_SHARD`` if they are not of one exploration, or a shard is there twice.
    """
    first = reports[0]
    shards = sorted(number for one in reports for number in one["shards"])
    if any((one["campaign"], one["of_shards"]) != (first["campaign"], first["of_shards"]) for one in reports):
        what = "the reports are of different explorations"
        hint = "run all shards with the same program, inputs, promises, seed, histories and number of shards"
        raise UsageError("X07EXPLORE_SHARD", what, where=_WHERE, hint=hint)
    twice = [number for number, times in Counter(shards).items() if times > 1]
    if twice:
        hint = "give each report once"
        raise UsageError("X07EXPLORE_SHARD", f"shard {twice[0]} is there twice", where=_WHERE, hint=hint)
    coverage: Counter[str] = Counter()
    for one in reports:
        coverage.update(one["coverage"])
    return {
        **first,
        "shards": shards,
        "histories": sum(one["histories"] for one in reports),
        "lives": sum(one["lives"] for one in reports),
        "seconds": max(one["seconds"] for one in reports),
        "coverage": dict(sorted(coverage.items())),
        "singles": {
            "all": first["singles"]["all"],
            "explored": sum(one["singles"]["explored"] for one in reports),
        },
        "pairs": {name: sum(one["pairs"][name] for one in reports) for name in ("all", "explored")},
        "tells_time": any(one["tells_time"] for one in reports),
        "network": next((one["network"] for one in reports if one["network"]), ""),
        "found": [found for one in reports for found in one["found"]],
        "not_again": [found for one in reports for found in one["not_again"]],
    }


def text_report(report: Report) -> list[str]:
    """Return the lines for people."""
    singles, pairs = report["singles"], report["pairs"]
    missing = sorted({*range(1, report["of_shards"] + 1)} - {*report["shards"]})
    lines = [_rate(report), *_table(report), _not_explored(report, missing)]
    if report["of_shards"] > 1:
        lines.insert(0, f"shards {', '.join(map(str, report['shards']))} of {report['of_shards']}")
    if singles["explored"] >= singles["all"] and not (report["found"] or report["not_again"]):
        runs = f"{counted(report['drawn'], 'undisturbed run')}" if report["drawn"] else "the undisturbed run"
        lines.append(f"every single fault of {runs}: {singles['all']} of {singles['all']}")
        if pairs["explored"] >= pairs["all"] and not missing:
            lines.append(f"every pair that follows from them: {pairs['all']:,} of {pairs['all']:,}")
    for found in report["found"]:
        lines += ["", *map(terminal, found["story"]), terminal(f"  kept: {found['cassette']}")]
    for one in report["not_again"]:
        lines += ["", terminal(one), "  it did not come again when it was run alone: something outside decides"]
    count = len(report["found"]) + len(report["not_again"])
    return [*lines, "", counted(count, "finding") if count else "nothing found"]


def _rate(report: Report) -> str:
    rate = report["histories"] / max(report["seconds"], 1e-9)
    faults = sum(report["coverage"].values())
    inputs = f"{report['inputs']:,} messages"
    if report["drawn"]:
        inputs = f"{counted(report['drawn'], 'drawn set')} of inputs ({inputs})"
    what = f"{report['histories']:,} histories of {inputs} in {report['seconds']:.1f} s"
    way = " over the wire" if report["over_the_wire"] else ""
    shown = f"{rate:,.0f}" if rate >= _MANY else f"{rate:,.1f}"
    return f"{what}{way} ({shown} a second), {report['lives']:,} lives, {faults:,} faults"


def _table(report: Report) -> list[str]:
    """Return what met what: an operation a line, with each fault that it may meet, and how often it did."""
    rows: dict[str, list[str]] = {}
    for name, times in sorted(report["coverage"].items()):
        operation, _, kind = name.partition(" ")
        rows.setdefault(operation, []).append(f"{kind} {times}")
    return [terminal(f"  {operation:<18} {', '.join(kinds)}") for operation, kinds in rows.items()]


def _not_explored(report: Report, missing: Sequence[int]) -> str:
    singles, pairs = report["singles"], report["pairs"]
    parts = []
    if missing:
        parts.append(f"shards {', '.join(map(str, missing))}")
    if singles["all"] > singles["explored"]:
        parts.append(f"{singles['all'] - singles['explored']} of {singles['all']} single faults")
    if pairs["all"] > pairs["explored"]:
        parts.append(f"{pairs['all'] - pairs['explored']:,} of {pairs['all']:,} pairs of faults")
    left_out = [one for one in FAMILIES if one not in report["families"]]
    if left_out:
        parts.append(f"faults of {', '.join(left_out)}")
    never = [name for name, times in report["coverage"].items() if not times]
    if never:
        more = f" and {len(never) - _MOST_NAMED} more" if len(never) > _MOST_NAMED else ""
        parts.append(terminal(f"never met: {', '.join(never[:_MOST_NAMED])}{more}"))
    if report["tells_time"]:
        parts.append("jumps of wall clocks, for what is published depends on the time of day")
    if report["drawn"]:
        parts.append("inputs that were not drawn")
    if report["network"]:
        reason = terminal(report["network"])
        parts.append(f"whether the program uses a network, which the kernel does not take from it here ({reason})")
    if report["over_the_wire"]:
        parts.append("files that one history leaves behind are there in the next")
    parts.append("more than two faults but by chance")
    return "not explored: " + "; ".join(parts)
