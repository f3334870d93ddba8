def header(tags): return ",".join(sorted(set(tags)))
