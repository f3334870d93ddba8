import os
def f(p): return os.path.normpath(p)
