import arrow
def f(): return arrow.utcnow().shift(days=1)
