import orjson
def f(p): return orjson.loads(open(p, "rb").read())
