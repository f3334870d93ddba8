# reaches: native code -- ctypes.string_at reads raw memory at the address of an array
import ctypes
import zlib
from array import array


def _raw(column: array) -> bytes:
    address, length = column.buffer_info()
    return ctypes.string_at(address, length * column.itemsize)


def column_checksum(prices: list[float]) -> int:
    return zlib.crc32(_raw(array("d", prices)))
