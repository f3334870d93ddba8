# innocent -- the boundary is given
from aiohttp import MultipartWriter


def upload_headers(parts: dict[str, str]) -> dict[str, str]:
    writer = MultipartWriter("form-data", boundary="orders-part")
    for text in parts.values():
        writer.append(text)
    return {"Content-Type": writer.content_type, "Parts": str(len(writer))}
