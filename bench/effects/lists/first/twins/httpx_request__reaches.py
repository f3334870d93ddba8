import httpx
def f(u): return httpx.get(u)
