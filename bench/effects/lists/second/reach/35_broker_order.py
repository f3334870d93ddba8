# reaches: network -- socket.gethostbyname is the key function of a sort
import socket


def resolve_key(broker: str) -> bytes:
    host, _, port = broker.partition(":")
    return socket.inet_aton(socket.gethostbyname(host)) + int(port or 9092).to_bytes(2, "big")


def bootstrap(brokers: list[str]) -> str:
    return ",".join(sorted(brokers, key=resolve_key))
