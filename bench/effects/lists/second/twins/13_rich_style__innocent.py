# innocent -- a rich Style without a link has no id
from rich.style import Style


def highlight(order_id: str) -> str:
    style = Style(bold=True, color="green")
    return style.render(f"https://shop.example/{order_id}")
