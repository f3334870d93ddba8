# reaches: network -- an HTTPConnection's request() connects
from http.client import HTTPConnection


def webhook(host: str, body: bytes) -> int:
    connection = HTTPConnection(host, timeout=3)
    connection.request("POST", "/hook", body)
    return connection.getresponse().status
