"""A program that uses a third-party package."""

from order_ids import is_valid, with_check_digit

from x07py import Envelope

number = with_check_digit(7992739871)
order = Envelope("orders", key=number.encode(), value=b'{"item": "tea"}')
print(f"order {number} is {'valid' if is_valid(number) else 'not valid'}, {len(order.encode())} bytes")
