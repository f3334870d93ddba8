# reaches: identity -- str(inspect.signature()) shows the repr of an object() default
import inspect

_MISSING = object()


def lookup(table: dict, key: str, default=_MISSING):
    if default is _MISSING:
        return table[key]
    return table.get(key, default)


def reference() -> str:
    return f"lookup{inspect.signature(lookup)}"
