def same(a, b): return set(a) == set(b) and set(a) <= set(b)
