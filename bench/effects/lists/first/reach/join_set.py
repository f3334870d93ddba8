def header(tags): return ",".join(set(tags))
