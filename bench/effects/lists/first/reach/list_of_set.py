def unique(xs): return list(set(xs))
