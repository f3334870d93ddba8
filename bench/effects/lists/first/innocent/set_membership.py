STOP = {"a", "the"}
def keep(words): return [w for w in words if w not in STOP]
