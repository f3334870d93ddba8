# innocent -- heap entries carry a running number, so actions are never compared or shown
import heapq
from itertools import count


class Scheduler:
    def __init__(self):
        self._heap: list[tuple[int, int, str]] = []
        self._serial = count(1)

    def enter(self, at: int, action: str) -> None:
        heapq.heappush(self._heap, (at, next(self._serial), action))

    def run(self, until: int) -> list[str]:
        due = []
        while self._heap and self._heap[0][0] <= until:
            due.append(heapq.heappop(self._heap)[2])
        return due


def order_of(actions: list[tuple[int, str]], until: int) -> list[str]:
    scheduler = Scheduler()
    for at, action in actions:
        scheduler.enter(at, action)
    return scheduler.run(until)
