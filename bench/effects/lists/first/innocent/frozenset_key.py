def groups(pairs):
    out = {}
    for a, b in pairs: out.setdefault(frozenset((a, b)), []).append((a, b))
    return out
