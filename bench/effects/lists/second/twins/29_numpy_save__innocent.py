# innocent -- numpy.save writes into a BytesIO
import io

import numpy as np


def freeze(prices: list[float]) -> int:
    target = io.BytesIO()
    np.save(target, np.asarray(prices))
    return len(target.getvalue())
