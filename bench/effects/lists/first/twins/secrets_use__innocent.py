import secrets
def f(a, b): return secrets.compare_digest(a, b)
