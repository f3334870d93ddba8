import arrow
def f(s): return arrow.get(s, tzinfo="UTC").shift(days=1)
