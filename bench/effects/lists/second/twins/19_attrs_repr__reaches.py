# reaches: identity -- attrs with repr=False leaves object.__repr__ in place and str() shows it
import attrs


@attrs.define(repr=False)
class Position:
    sku: str
    amount: int


def trail(rows: list[tuple[str, int]]) -> str:
    return " / ".join(str(Position(*row)) for row in rows)
