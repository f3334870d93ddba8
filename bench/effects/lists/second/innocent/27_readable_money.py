# innocent -- the class has its own __repr__ and __format__; f-strings show no address
class Money:
    __slots__ = ("cents", "currency")

    def __init__(self, cents: int, currency: str = "EUR"):
        self.cents, self.currency = cents, currency

    def __repr__(self) -> str:
        return f"Money({self.cents}, {self.currency!r})"

    def __format__(self, spec: str) -> str:
        return f"{self.cents / 100:{spec or '.2f'}} {self.currency}"


def receipt(cents: list[int]) -> str:
    rows = [Money(value) for value in cents]
    return f"{rows!r} total {Money(sum(cents))}"
