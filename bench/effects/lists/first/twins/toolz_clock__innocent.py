from toolz import compose
def f(x): return compose(str, abs)(x)
