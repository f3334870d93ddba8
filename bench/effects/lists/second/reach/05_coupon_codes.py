# reaches: randomness -- unseeded Random instance, its choice goes into map()
from itertools import repeat
from random import Random

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_pick = Random().choice


def coupon(length: int = 10) -> str:
    return "".join(map(_pick, repeat(ALPHABET, length)))


def batch(count: int) -> list[str]:
    return [coupon() for _ in range(count)]
