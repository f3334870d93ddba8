def table(keys):
    found = {k: len(k) for k in set(keys)}
    return found["a"]
