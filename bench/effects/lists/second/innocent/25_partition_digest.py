# innocent -- the partition comes from zlib.crc32 and blake2b, not from hash()
import hashlib
import zlib


def partition(key: str, partitions: int = 12) -> int:
    return zlib.crc32(key.encode()) % partitions


def shard(key: str, shards: int = 4) -> int:
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % shards
