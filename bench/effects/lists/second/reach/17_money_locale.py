# reaches: environment -- setlocale with "" takes LC_ALL/LC_NUMERIC/LANG
import locale
from contextlib import contextmanager


@contextmanager
def _user_numbers():
    before = locale.setlocale(locale.LC_NUMERIC)
    locale.setlocale(locale.LC_NUMERIC, "")
    try:
        yield
    finally:
        locale.setlocale(locale.LC_NUMERIC, before)


def amount_text(cents: int) -> str:
    with _user_numbers():
        return locale.format_string("%.2f", cents / 100, grouping=True)
