# innocent -- attrs with converters, validators and a factory that only builds a list
import attrs


def _upper(value: str) -> str:
    return value.strip().upper()


@attrs.frozen
class OrderLine:
    sku: str = attrs.field(converter=_upper, validator=attrs.validators.matches_re(r"[A-Z0-9-]+"))
    amount: int = attrs.field(validator=attrs.validators.ge(1))
    notes: list[str] = attrs.field(factory=list)


def parse_line(raw: dict) -> dict:
    return attrs.asdict(OrderLine(**raw))
