# reaches: randomness -- dict.__missing__ makes an id of os.urandom on item access
import os
from uuid import UUID


class Correlations(dict):
    def __missing__(self, key):
        value = self[key] = UUID(bytes=os.urandom(16), version=4)
        return value


def correlate(messages: list[dict]) -> list[str]:
    ids = Correlations()
    return [str(ids[message["order"]]) for message in messages]
