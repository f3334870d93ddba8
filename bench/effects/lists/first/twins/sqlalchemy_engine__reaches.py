import sqlalchemy as sa
def f(): return sa.create_engine("postgresql://h/db").connect()
