# innocent -- a class Clock with now() and time() that only counts
class Clock:
    def __init__(self, start: int = 0):
        self._tick = start

    def time(self) -> int:
        self._tick += 1
        return self._tick

    now = time


def stamp_all(bodies: list[str], clock: Clock | None = None) -> list[tuple[int, str]]:
    clock = clock or Clock()
    return [(clock.now(), body) for body in bodies]
