# reaches: order -- string.Template calls str() on a set
from string import Template

_NOTICE = Template("Order $order_id waits for: $missing")


def notice(order_id: str, required: list[str], stocked: list[str]) -> str:
    missing = set(required) - set(stocked)
    return _NOTICE.substitute(order_id=order_id, missing=missing or "nothing")
