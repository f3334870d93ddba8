import socket
def family(v6): return socket.AF_INET6 if v6 else socket.AF_INET
