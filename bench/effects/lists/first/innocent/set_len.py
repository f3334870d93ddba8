def distinct(xs): return len(set(xs))
