# reaches: clock -- gzip.compress without mtime writes the current time into the header
import gzip
import json


def pack(message: dict, level: int = 6) -> bytes:
    return gzip.compress(json.dumps(message, sort_keys=True).encode(), level)
