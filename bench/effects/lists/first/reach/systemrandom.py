import random
class Dice(random.SystemRandom): pass
def roll(): return Dice().randint(1, 6)
