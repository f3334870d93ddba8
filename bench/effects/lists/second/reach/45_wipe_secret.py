# reaches: native code -- ctypes.memset writes to raw memory of a bytearray
import ctypes
import hmac


def _wipe(secret: bytearray) -> None:
    block = (ctypes.c_char * len(secret)).from_buffer(secret)
    ctypes.memset(ctypes.byref(block), 0, len(secret))


def sign(secret: bytearray, body: bytes) -> str:
    try:
        return hmac.new(secret, body, "sha256").hexdigest()
    finally:
        _wipe(secret)
