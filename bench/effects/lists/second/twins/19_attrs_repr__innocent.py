# innocent -- attrs makes a __repr__ of the fields
import attrs


@attrs.define(eq=False)
class Position:
    sku: str
    amount: int


def trail(rows: list[tuple[str, int]]) -> str:
    return " / ".join(str(Position(*row)) for row in rows)
