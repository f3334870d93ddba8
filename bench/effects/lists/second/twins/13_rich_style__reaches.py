# reaches: randomness, identity -- a rich Style with a link gets an id of a random start and hash(None), render() prints it
from rich.style import Style


def highlight(order_id: str) -> str:
    style = Style(bold=True, link=f"https://shop.example/{order_id}")
    return style.render(order_id)
