from typing import NamedTuple
class P(NamedTuple):
    x: int
def show(): return f"{P(1)}"
