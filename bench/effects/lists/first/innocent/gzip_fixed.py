import gzip
def pack(data): return gzip.compress(data, mtime=0), gzip.decompress(data)
