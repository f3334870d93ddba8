# reaches: order -- dict.fromkeys over a frozenset keeps the set's order
import json

_REGULATED = frozenset({"spirits", "tobacco", "fireworks", "medicine", "knives"})


def limits(basket: list[str]) -> dict[str, int]:
    hits = _REGULATED.intersection(basket)
    return dict.fromkeys(hits, 1)


def limits_json(basket: list[str]) -> str:
    return json.dumps(limits(basket))
