"""Schema registries from their own side: HTTP/1.1 by h11, and the tape that records and answers what clients ask.

`greeting` knows their clients by what they send first, `tape` compares and answers, `conversation` speaks HTTP with the
client and `upstream` with the registry. Tried and dropped: a transport in place of that of each HTTP library.
"""
