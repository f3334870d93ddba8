# innocent -- orjson sorts the keys and the set is sorted before it
import orjson


def encode(order_id: str, tags: list[str], **extra: int) -> bytes:
    document = {"order": order_id, "tags": sorted(set(tags)), **extra}
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
