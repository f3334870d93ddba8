# innocent -- numpy computes on the values given
import numpy as np


def moving_average(values: list[float], width: int = 3) -> list[float]:
    kernel = np.full(width, 1.0 / width)
    return np.convolve(np.asarray(values, dtype=float), kernel, mode="valid").round(4).tolist()


def running_total(cents: list[int]) -> list[int]:
    return np.cumsum(np.array(cents, dtype=np.int64)).tolist()
