# innocent -- reprlib.repr sorts a set before it prints it
from reprlib import repr as shortened


def missing_text(required: list[str], stocked: list[str]) -> str:
    return "missing: " + shortened(set(required).difference(stocked))
