# innocent -- reprlib.repr sorts sets before it prints them
import reprlib

_short = reprlib.Repr()
_short.maxset = 50
_short.maxstring = 40


def describe(missing: list[str], label: str = "missing") -> str:
    return f"{label}={_short.repr(set(missing))}"
