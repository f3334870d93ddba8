import httpx
def f(u): return httpx.Request("GET", u)
