import sqlalchemy as sa
def f(): return str(sa.select(sa.literal(1)))
