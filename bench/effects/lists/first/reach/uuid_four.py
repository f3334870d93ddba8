import uuid
def order_id(): return str(uuid.uuid4())
