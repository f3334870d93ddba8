# reaches: files-write -- numpy.save with a name opens the file
import numpy as np


def freeze(prices: list[float], name: str = "/tmp/prices.npy") -> int:
    data = np.asarray(prices)
    np.save(name, data)
    return data.nbytes
