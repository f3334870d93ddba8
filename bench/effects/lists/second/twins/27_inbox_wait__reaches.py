# reaches: clock -- Queue.get with a timeout reads time.monotonic for its deadline
from queue import Empty, Queue


class Inbox:
    def __init__(self, rows: list[str]):
        self._queue: Queue[str] = Queue()
        for row in rows:
            self._queue.put(row)

    def drain(self) -> list[str]:
        taken = []
        try:
            while True:
                taken.append(self._queue.get(timeout=0.01))
        except Empty:
            return taken


def drained(rows: list[str]) -> list[str]:
    return Inbox(rows).drain()
