# reaches: order -- pprint.pformat prints a set that fits in the line with plain repr
from pprint import pformat


def missing_text(required: list[str], stocked: list[str]) -> str:
    return "missing: " + pformat(set(required).difference(stocked))
