from random import Random
def dice(): return Random().randint(1, 6)
