# reaches: threads -- threading.Timer starts a thread that waits for the interval
from threading import Timer
from typing import Callable


class Batch:
    def __init__(self, flush: Callable[[list], None], seconds: float = 0.01):
        self.items: list = []
        self._flush = flush
        self._timer = Timer(seconds, self._fire)

    def add(self, item) -> int:
        if not self.items:
            self._timer.start()
        self.items.append(item)
        return len(self.items)

    def _fire(self) -> None:
        self._flush(self.items)


def collect(items: list) -> int:
    batch = Batch(lambda rows: None)
    return [batch.add(item) for item in items][-1]
