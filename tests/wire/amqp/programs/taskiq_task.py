"""taskiq on aio-pika: a task, sent and received in one process."""

import asyncio
import sys

from taskiq import InMemoryBroker
from taskiq.receiver import Receiver
from taskiq_aio_pika import AioPikaBroker

broker = AioPikaBroker(sys.argv[1], queue_name="taskiq-task")
assert not isinstance(broker, InMemoryBroker)
done = asyncio.Event()


@broker.task(task_name="greet")
async def greet(name: str) -> None:
    print("hello", name)
    done.set()


async def main() -> None:
    broker.is_worker_process = True
    await broker.startup()
    finish = asyncio.Event()
    listening = asyncio.create_task(Receiver(broker, max_async_tasks=1).listen(finish))
    await greet.kiq("Ada")
    await asyncio.wait_for(done.wait(), 20)
    finish.set()
    await listening
    await broker.shutdown()


asyncio.run(main())
