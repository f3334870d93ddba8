"""Programs on any client: each start is a process, in real time, on simulated brokers behind their protocols.

The brokers, the faults, the invariants and the search are those of programs that use `open_driver`. What stands between
a client and a broker is taken from `x07py.wire`: how connections are handed over, frames, batches.
"""
