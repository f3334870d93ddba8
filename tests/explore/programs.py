"""Programs that explorations are tried on: bugs of the kinds that people report, and the same done right."""

from __future__ import annotations

HEAD = """
import asyncio, json
from x07py import Envelope, PumpOptions, open_driver, pump


def result(one, topic="out", key=None):
    facts = json.loads(one.value)
    value = json.dumps({"id": facts["id"]}).encode()
    return Envelope(topic, one.key if key is None else key, value, {"ce_id": str(facts["id"])})
"""

KAFKA_LOOP = """
async def main():
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"], group="g"):
{body}
"""


def loop(body: str) -> str:
    return HEAD + KAFKA_LOOP.format(body="\n".join("            " + line for line in body.strip().splitlines()))


def pumped(handler: str, options: str = "", kind: str = "kafka") -> str:
    return (
        HEAD
        + handler
        + f'''

async def main():
    async with open_driver("{kind}", profile="local_dev_v1") as driver:
        await pump(driver, handle, topics=["orders"], group="g", options=PumpOptions({options}))
'''
    )


BUGS: dict[str, tuple[str, list[str]]] = {
    "commits before it produces": (
        loop(
            """
await driver.ack(batch)
await driver.commit()
await driver.publish_many([result(one.envelope) for one in batch])
"""
        ),
        [],
    ),
    "keeps state in memory": (
        pumped("""
totals = {}

def handle(one):
    totals[one.key] = totals.get(one.key, 0) + json.loads(one.value)["id"]
    return [Envelope("out", one.key, str(totals[one.key]).encode())]
"""),
        [],
    ),
    "counts what comes twice": (
        loop(
            """
for one in batch:
    seen = globals().setdefault("seen", [])
    seen.append(1)
    await driver.publish(Envelope("out", b"count", str(len(seen)).encode()))
await driver.ack(batch)
await driver.commit()
"""
        ),
        [],
    ),
    "acknowledges before the confirm": (
        HEAD
        + """
async def main():
    tasks = set()
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"]):
            tasks.add(asyncio.create_task(driver.publish_many([result(one.envelope) for one in batch])))
            await driver.ack(batch)
""",
        [],
    ),
    "remembers too few ids": (
        HEAD
        + """
async def main():
    last = []
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"]):
            for one in batch:
                name = one.envelope.headers["ce_id"]
                if name not in last:
                    await driver.publish(result(one.envelope))
                    last = [*last, name][-2:]
            await driver.ack(batch)
""",
        ["--promise", "out:duplicates=never", "--faults", "reconnect,order"],
    ),
    "loses a dead letter in a crash": (
        HEAD
        + """
async def main():
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"], group="g"):
            bad = []
            for one in batch:
                try:
                    await driver.publish(result(one.envelope))
                except (ValueError, KeyError):
                    bad.append(Envelope("dead", one.envelope.key, one.envelope.value, dict(one.envelope.headers)))
            await driver.ack(batch)
            await driver.commit()
            await driver.publish_many(bad)
""",
        ["--dead-letter", "dead"],
    ),
    "numbers by arrival": (
        loop(
            """
out = []
for one in batch:
    globals()["number"] = globals().get("number", 0) + 1
    out.append(Envelope("out", b"all", one.envelope.value))
await driver.publish_many(out)
await driver.ack(batch)
await driver.commit()
"""
        ),
        ["--promise", "out:order=key"],
    ),
    "swallows an error in a callback": (
        loop(
            """
async def send(one):
    try:
        await driver.publish(result(one.envelope))
    except Exception:
        pass
await asyncio.gather(*[send(one) for one in batch])
await driver.ack(batch)
await driver.commit()
"""
        ),
        [],
    ),
    "commits on revoke what has no results": (
        HEAD
        + """
async def main():
    waiting = asyncio.Queue()
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        async def work():
            while True:
                batch = await waiting.get()
                await asyncio.sleep(0.5)
                await driver.publish_many([result(one.envelope) for one in batch])
                await driver.commit()
                waiting.task_done()
        task = asyncio.create_task(work())
        async for batch in driver.consume(["orders"], group="g", max_items=4):
            await driver.ack(batch)
            await waiting.put(batch)
        await waiting.join()
""",
        [],
    ),
    "retries in another order": (
        loop(
            """
later = []
for one in batch:
    try:
        await driver.publish(result(one.envelope))
    except Exception:
        later.append(one)
for one in later:
    await driver.publish(result(one.envelope))
await driver.ack(batch)
await driver.commit()
"""
        ),
        ["--promise", "out:results=sequence"],
    ),
}

RIGHT: dict[str, tuple[str, list[str]]] = {
    "a pump": (
        pumped("\ndef handle(one):\n    return [result(one)]\n", 'dead_letter="dead"'),
        ["--dead-letter", "dead", "--promise", "out:results=sequence"],
    ),
    "a pump in transactions": (
        pumped("\ndef handle(one):\n    return [result(one)]\n", 'exactly_once=True, transactional_id="w"'),
        ["--promise", "out:results=sequence,duplicates=never"],
    ),
    "a pump on RabbitMQ": (
        pumped("\ndef handle(one):\n    return [result(one)]\n", 'dead_letter="dead", window=100', "amqp"),
        ["--dead-letter", "dead"],
    ),
    "a loop": (
        loop(
            """
await driver.publish_many([result(one.envelope) for one in batch])
await driver.ack(batch)
await driver.commit()
"""
        ),
        [],
    ),
    "a loop on RabbitMQ": (
        HEAD
        + """
async def main():
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"]):
            for one in batch:
                await driver.publish(result(one.envelope))
                await driver.ack([one])
""",
        ["--promise", "out:results=ce_id"],
    ),
}
