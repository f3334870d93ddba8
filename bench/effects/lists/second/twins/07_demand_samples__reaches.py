# reaches: randomness -- NormalDist.samples without seed uses the global generator
from statistics import NormalDist


def simulate(history: list[float], days: int) -> list[float]:
    demand = NormalDist.from_samples(history)
    return [max(0.0, value) for value in demand.samples(days)]
