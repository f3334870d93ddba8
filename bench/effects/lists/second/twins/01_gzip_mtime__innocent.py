# innocent -- with mtime=0 the header's time is constant
import gzip
import json


def pack(message: dict, level: int = 6) -> bytes:
    return gzip.compress(json.dumps(message, sort_keys=True).encode(), level, mtime=0)
