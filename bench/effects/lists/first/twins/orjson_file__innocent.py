import orjson
def f(b): return orjson.loads(b)
