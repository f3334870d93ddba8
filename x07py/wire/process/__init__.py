"""The way in for programs in Python: the sockets of this process, of every style, lead to stand-ins.

`sockets` gives a socket one end of a pair where it would connect, and `tls` and `names` what belongs to it; `door`
serves the other end. Tried and dropped: classes in place of each client library's own, which is a drop-in a library.
"""
