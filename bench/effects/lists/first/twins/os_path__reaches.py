import os
def f(p): return os.path.realpath(p)
