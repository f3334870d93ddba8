from time import strftime
def f(t): return strftime("%Y", t)
