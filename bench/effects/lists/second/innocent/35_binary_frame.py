# innocent -- struct, base64 and BytesIO pack a frame with the time the caller gives
import base64
import io
import struct

_HEAD = struct.Struct(">HQI")


def frame(kind: int, time_ns: int, body: bytes) -> str:
    return base64.b64encode(_HEAD.pack(kind, time_ns, len(body)) + body).decode()


def unframe(text: str) -> tuple[int, int, bytes]:
    stream = io.BytesIO(base64.b64decode(text))
    kind, time_ns, size = _HEAD.unpack(stream.read(_HEAD.size))
    return kind, time_ns, stream.read(size)
