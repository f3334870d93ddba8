def f(xs):
    out = []
    for x in set(xs): out.append(x)
    return out
