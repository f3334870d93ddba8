from collections.abc import Callable
def age(then: float, clock: Callable[[], float]) -> float: return clock() - then
