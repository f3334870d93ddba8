from statistics import mean, stdev
def f(xs): return mean(xs), stdev(xs)
