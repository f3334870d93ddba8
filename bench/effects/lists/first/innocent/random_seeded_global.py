from random import Random
_RNG = Random(7)
def deck():
    cards = list(range(52)); Random(1).shuffle(cards); return cards
