# reaches: randomness -- the factory of an attrs field calls uuid4
from uuid import uuid4

import attrs


@attrs.define(frozen=True)
class Command:
    name: str
    payload: dict = attrs.field(factory=dict)
    command_id: str = attrs.field(factory=lambda: str(uuid4()))


def reserve_stock(sku: str, amount: int) -> Command:
    return Command("reserve-stock", {"sku": sku, "amount": amount})
