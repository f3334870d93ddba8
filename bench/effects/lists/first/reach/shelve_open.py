import shelve
def store(name): return shelve.open(name)
