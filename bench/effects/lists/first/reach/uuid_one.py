from uuid import uuid1 as new_id
def tag(): return new_id().hex
