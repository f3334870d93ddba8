# innocent -- samples(seed=...) makes a generator of its own
from statistics import NormalDist


def simulate(history: list[float], days: int) -> list[float]:
    demand = NormalDist.from_samples(history)
    return [max(0.0, value) for value in demand.samples(days, seed=len(history))]
