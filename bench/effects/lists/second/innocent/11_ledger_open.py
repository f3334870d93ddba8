# innocent -- open(), write() and remove() are methods and functions of a ledger in memory
class Ledger:
    def __init__(self):
        self._accounts: dict[str, list[int]] = {}

    def write(self, name: str, cents: int) -> None:
        self._accounts[name].append(cents)

    def remove(self, name: str) -> int:
        return sum(self._accounts.pop(name))


def open(name: str, ledger: Ledger) -> Ledger:
    ledger._accounts.setdefault(name, [])
    return ledger


def settle(name: str, amounts: list[int]) -> int:
    book = open(name, Ledger())
    for cents in amounts:
        book.write(name, cents)
    return book.remove(name)
