def doubled(xs): return {2 * x for x in set(xs)}
