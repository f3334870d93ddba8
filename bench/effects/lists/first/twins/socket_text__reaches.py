import socket
def f(h): return socket.getaddrinfo(h, 80)
