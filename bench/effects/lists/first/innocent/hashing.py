import hashlib, hmac, base64, binascii, zlib
def sign(key, data): return base64.b64encode(hmac.new(key, data, hashlib.sha256).digest()), zlib.crc32(data)
