import socket
def resolve(name): return socket.gethostbyname(name)
