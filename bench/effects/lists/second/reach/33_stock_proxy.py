# reaches: network -- xmlrpc ServerProxy: attribute access plus call is a request
from xmlrpc.client import ServerProxy


class StockGateway:
    def __init__(self, url: str = "http://127.0.0.1:9/rpc"):
        self._remote = ServerProxy(url, allow_none=True)

    def available(self, sku: str) -> int:
        return self._remote.stock.available(sku)


def can_ship(sku: str, amount: int) -> bool:
    return StockGateway().available(sku) >= amount
