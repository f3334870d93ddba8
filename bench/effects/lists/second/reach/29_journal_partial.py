# reaches: files-write -- partial(open, mode="a") hides the open for appending
from functools import partial

_append = partial(open, mode="a", encoding="utf-8")


class Journal:
    def __init__(self, path: str, opener=_append):
        self.path = path
        self._opener = opener

    def add(self, line: str) -> int:
        with self._opener(self.path) as target:
            return target.write(line + "\n")


def record(order_id: str) -> int:
    return Journal("/tmp/orders.journal").add(order_id)
