from uuid import NAMESPACE_URL, UUID, uuid5
def order_id(text): return str(uuid5(NAMESPACE_URL, text)), UUID(text)
