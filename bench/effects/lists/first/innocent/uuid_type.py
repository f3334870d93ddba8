import uuid
def f(x: uuid.UUID): return x.hex if isinstance(x, uuid.UUID) else str(uuid.UUID(bytes=x))
