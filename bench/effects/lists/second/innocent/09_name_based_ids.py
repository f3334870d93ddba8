# innocent -- uuid5 is a SHA-1 of its arguments
from uuid import NAMESPACE_URL, UUID, uuid5

_NAMESPACE: UUID = uuid5(NAMESPACE_URL, "https://shop.example/orders")


def order_uuid(number: int) -> UUID:
    return uuid5(_NAMESPACE, f"order/{number}")


def line_ids(number: int, skus: list[str]) -> list[str]:
    base = order_uuid(number)
    return [str(uuid5(base, sku)) for sku in skus]
