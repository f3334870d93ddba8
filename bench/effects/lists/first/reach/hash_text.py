def shard(key: str, n: int): return hash(key) % n
