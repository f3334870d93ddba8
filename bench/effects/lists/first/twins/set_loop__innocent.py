def f(xs):
    out = 0
    for x in set(xs): out += x
    return out
