import struct
def u32(n): return struct.pack("<I", n)
