# innocent -- ipaddress and socket.inet_aton parse text; no lookups
import ipaddress
import socket

_ALLOWED = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("192.168.4.0/22")]


def permitted(address: str) -> bool:
    host = ipaddress.ip_address(address)
    return any(host in network for network in _ALLOWED)


def sort_key(address: str) -> tuple[bool, int]:
    return not permitted(address), socket.ntohl(int.from_bytes(socket.inet_aton(address), "little"))
