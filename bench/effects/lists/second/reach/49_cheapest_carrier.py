# reaches: order -- min() over a set difference with a key: on equal prices the set's order decides
PRICES = {"hermes": 499, "dhl": 499, "ups": 699, "gls": 499, "dpd": 499}


def cheapest(excluded: list[str]) -> str | None:
    candidates = set(PRICES).difference(excluded)
    return min(candidates, key=PRICES.__getitem__, default=None)
