"""Kafka's protocol from the broker's side.

`kio` knows the messages of each request and its versions; record batches, whose speed decides, are ours. A client is
told only versions and requests that are implemented here; what it asks beside them ends its connection by name.

Tried and dropped: recording and replaying whole responses byte for byte. Batches, offsets and member ids are others in
each run, and a cassette of one client would have served no other.
"""
