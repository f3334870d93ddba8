"""Celery: a worker that forks, tasks, and their results by rpc."""

import os
import subprocess
import sys

from celery import Celery

app = Celery("shop", broker=os.environ.setdefault("BROKER", sys.argv[-1]), backend="rpc://")
app.conf.update(task_default_queue="celery-prefork", task_publish_retry=False)
QUIET = ("-l", "CRITICAL", "--without-mingle", "--without-gossip", "--without-heartbeat")


@app.task(name="shop.add")
def add(x: int, y: int) -> int:
    return x + y


def main() -> None:
    folder, name = os.path.split(__file__)
    worker = [sys.executable, "-m", "celery", "-A", name.removesuffix(".py"), "worker", "-P", "prefork", "-c", "1"]
    started = subprocess.Popen([*worker, *QUIET], cwd=folder, stdout=subprocess.DEVNULL)
    try:
        print([add.delay(number, 1).get(timeout=60) for number in range(3)])
        started.terminate()
        print(started.wait(60))
    finally:
        started.kill()


if __name__ == "__main__":
    main()
