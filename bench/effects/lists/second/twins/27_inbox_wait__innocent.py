# innocent -- get_nowait never waits and reads no clock
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
                taken.append(self._queue.get_nowait())
        except Empty:
            return taken


def drained(rows: list[str]) -> list[str]:
    return Inbox(rows).drain()
