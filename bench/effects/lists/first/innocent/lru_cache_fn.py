from functools import lru_cache, singledispatch
@lru_cache(maxsize=None)
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
@singledispatch
def size(x): return 1
