"""Celery: a worker of one thread, a task, and its result by rpc."""

import sys
import threading

from celery import Celery
from celery.contrib.testing.worker import start_worker

app = Celery("shop", broker=sys.argv[1], backend="rpc://")
app.conf.update(worker_hijack_root_logger=False, broker_connection_retry_on_startup=False)


@app.task(name="shop.add")
def add(x: int, y: int) -> int:
    return x + y


with start_worker(app, pool="solo", perform_ping_check=False, loglevel="ERROR"):
    print([add.delay(number, 1).get(timeout=20) for number in range(3)])
print(threading.active_count() >= 1)
