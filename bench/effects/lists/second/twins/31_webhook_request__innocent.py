# innocent -- an HTTPConnection that is only constructed parses host and port
from http.client import HTTPConnection


def webhook(host: str, body: bytes) -> str:
    connection = HTTPConnection(host, timeout=3)
    return f"POST {connection.host}:{connection.port} {len(body)}"
