import socket
def f(b): return socket.inet_ntoa(b)
