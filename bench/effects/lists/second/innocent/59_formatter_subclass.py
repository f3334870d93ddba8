# innocent -- string.Formatter with own convert_field; nothing but str operations
import string


class MoneyFormatter(string.Formatter):
    def convert_field(self, value, conversion):
        if conversion == "m":
            return f"{value / 100:,.2f}"
        return super().convert_field(value, conversion)

    def get_value(self, key, args, kwargs):
        return kwargs.get(key, "-") if isinstance(key, str) else args[key]


def notice(order_id: str, cents: int) -> str:
    return MoneyFormatter().format("Order {order} over {total!m} {note}", order=order_id, total=cents)
