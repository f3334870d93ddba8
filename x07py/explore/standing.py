"""The simulated brokers without faults and in real time, for whoever holds them against the real ones."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from x07py.drivers.open import read_terms, simulation
from x07py.explore.amqp import SimulatedAmqp
from x07py.explore.amqp_queues import Vhost
from x07py.explore.choices import Choices
from x07py.explore.kafka import KafkaCluster, SimulatedKafka
from x07py.explore.process import Event, Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from x07py.drivers import Driver


class _RunningLoop:
    """The clock of brokers on an ordinary loop."""

    def time(self) -> float:
        return asyncio.get_running_loop().time()

    def active(self) -> None:
        """Do nothing: nobody waits for quiet."""

    def broker_later(self, delay_s: float, call: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(delay_s, call)

    def create_future(self) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_future()


class _Nobody:
    def crashed(self, process: Process) -> None:
        """Do nothing."""

    def asked_to_stop(self, process: Process) -> None:
        """Do nothing."""

    def ran_away(self) -> None:
        """Do nothing."""


class Brokers(NamedTuple):
    """Simulated brokers, for whoever looks at what they keep."""

    cluster: KafkaCluster
    vhost: Vhost


@contextmanager
def simulated_brokers(partitions: int = 4) -> Iterator[Brokers]:
    """Let `open_driver` connect to simulated brokers while the block runs, without faults, each process a driver.

    Args:
        partitions: of a topic that nobody made.
    """
    loop = _RunningLoop()
    processes: list[Process] = []

    def wake() -> None:
        for process in processes:
            process.wake()

    cluster, vhost = KafkaCluster(partitions, loop, wake), Vhost(loop, wake, lenient=False)
    events: list[Event] = []

    def make(kind: str, profile: str, listed_only: bool) -> Driver:
        terms = read_terms(kind, profile, listed_only=listed_only)
        process = Process(
            f"p{len(processes)}",
            1,
            Choices({}),
            loop,
            frozenset(),
            events,
            _Nobody(),
            most_events=10**9,
            several=False,
        )
        processes.append(process)
        if kind == "kafka":
            return terms.driver(SimulatedKafka(cluster, process, profile))
        return terms.driver(SimulatedAmqp(vhost, process, profile, prefetch=terms.settings.prefetch_count))

    token = simulation.set(make)
    try:
        yield Brokers(cluster, vhost)
    finally:
        simulation.reset(token)
