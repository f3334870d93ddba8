"""Order numbers whose last digit finds a mistyped one (Luhn)."""

from __future__ import annotations


def with_check_digit(number: int) -> str:
    """Return `number` with its check digit behind it."""
    return f"{number}{-_sum(f'{number}0') % 10}"


def is_valid(text: str) -> bool:
    """Tell whether `text` is a number whose check digit fits."""
    return text.isascii() and text.isdigit() and _sum(text) % 10 == 0


def _sum(digits: str) -> int:
    doubled = (int(digit) * 2 if place % 2 else int(digit) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled)
