class Order:
    def __init__(self, n): self.n = n
    def __repr__(self): return f"Order({self.n})"
def log(n): return f"{Order(n)!r}"
