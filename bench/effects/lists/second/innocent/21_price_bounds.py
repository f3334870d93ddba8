# innocent -- min and max of a set of ints without key are unique values
def bounds(offers: list[dict]) -> tuple[int, int]:
    cents = {offer["cents"] for offer in offers if offer.get("active", True)}
    return min(cents, default=0), max(cents, default=0)


def spread(offers: list[dict]) -> int:
    low, high = bounds(offers)
    return high - low
