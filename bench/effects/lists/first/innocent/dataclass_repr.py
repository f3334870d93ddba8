from dataclasses import dataclass
@dataclass(frozen=True)
class Order: n: int
def log(n): return str(Order(n))
