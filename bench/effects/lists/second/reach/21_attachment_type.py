# reaches: files-read -- mimetypes.guess_type runs init(), which reads /etc/mime.types and the like
import mimetypes


def content_type(filename: str) -> str:
    kind, encoding = mimetypes.guess_type(filename)
    if encoding is not None:
        return "application/octet-stream"
    return kind or "application/octet-stream"


def describe(names: list[str]) -> list[tuple[str, str]]:
    return [(name, content_type(name)) for name in names]
