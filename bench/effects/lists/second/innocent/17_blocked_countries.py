# innocent -- the set answers membership questions only
BLOCKED = frozenset({"KP", "IR", "SY"})


def allowed(country: str) -> bool:
    return country.upper() not in BLOCKED


def split_orders(orders: list[dict]) -> tuple[list[str], list[str]]:
    good = [order["id"] for order in orders if allowed(order["country"])]
    bad = [order["id"] for order in orders if not allowed(order["country"])]
    return good, bad
