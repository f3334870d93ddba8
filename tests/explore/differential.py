"""Simulated brokers against real ones: the same random operations, and whatever is to be seen has to be the same.

``make differential`` runs it for long: ``python -m tests.explore.differential SECONDS`` starts an Apache Kafka and a
RabbitMQ of its own, and ends with 1 at the first difference.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from tests.explore import differential_amqp, differential_kafka
from tests.support.project import EXAMPLE
from x07py.brokers.process import start_native, stop_broker
from x07py.explore.standing import simulated_brokers

LENGTH = 16
_AT_ONCE = 8
_TIMEOUT_S = 240


async def kafka_difference(seed: int, length: int = LENGTH) -> str:
    """Return where a simulated and the real Kafka differ over a sequence of operations; empty if nowhere."""
    sequence = differential_kafka.operations(seed, length)
    place = f"d{seed}-{uuid.uuid4().hex[:8]}"

    async def run() -> list[Any]:
        return await asyncio.wait_for(differential_kafka.Member(place).run(sequence), _TIMEOUT_S)

    with simulated_brokers():
        simulated = await run()
    await asyncio.to_thread(differential_kafka.make_topics, place)
    return _difference(seed, simulated, await run())


async def amqp_difference(seed: int, length: int = LENGTH) -> str:
    """Return where a simulated and the real RabbitMQ differ over a sequence of operations; empty if nowhere."""
    sequence = differential_amqp.operations(seed, length)
    place = f"d{seed}-{uuid.uuid4().hex[:8]}"
    with simulated_brokers() as brokers:
        member = differential_amqp.Member(place, differential_amqp.simulated_depth(brokers.vhost))
        simulated = await asyncio.wait_for(member.run(sequence), _TIMEOUT_S)
    real = differential_amqp.Member(place, differential_amqp.real_depth(), member.counts, simulated)
    return _difference(seed, simulated, await asyncio.wait_for(real.run(sequence), _TIMEOUT_S))


def _difference(seed: int, simulated: list[Any], real: list[Any]) -> str:
    for number, (one, other) in enumerate(zip(simulated, real, strict=False)):
        if one != other:
            before = ", ".join(str(name) for name, _ in simulated[:number])
            return f"seed {seed}, after {before}: {one[0]}\n  simulated {one[1]}\n  real      {other[1]}"
    return ""


DIFFERENCES = {"kafka": kafka_difference, "amqp": amqp_difference}


async def _campaign(seconds: float, first: int) -> int:
    until, seed = time.monotonic() + seconds, first
    while time.monotonic() < until:
        seeds = range(seed, seed + _AT_ONCE)
        for kind, difference in DIFFERENCES.items():
            found = [one for one in await asyncio.gather(*map(difference, seeds)) if one]
            if found:
                sys.stdout.write(f"{kind}: {found[0]}\n")
                return 1
        seed += _AT_ONCE
    sys.stdout.write(f"{seed - first} sequences of {LENGTH} operations on each broker: no difference\n")
    return 0


def main(seconds: float, first: int) -> int:
    """Start brokers and compare until the time is over, from a seed on."""
    with tempfile.TemporaryDirectory(prefix="x07-differential-") as folder:
        root = Path(folder)
        shutil.copytree(EXAMPLE / "arch", root / "arch")
        os.chdir(root)
        try:
            for kind in DIFFERENCES:
                os.environ[f"X07_{kind.upper()}_LOCAL_DEV_V1"] = start_native(root, kind, port=0).address
            os.environ["X07_SECRET_RABBIT_USERNAME"] = os.environ["X07_SECRET_RABBIT_PASSWORD"] = "guest"
            return asyncio.run(_campaign(seconds, first))
        finally:
            for kind in DIFFERENCES:
                stop_broker(root, kind)
            os.chdir("/")


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
