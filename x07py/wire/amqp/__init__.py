"""AMQP 0-9-1 from the broker's side.

`frames` and `values` turn bytes into methods and methods into what a cassette holds; `session` is the cassette as all
connections use it; `publishing` and `deliveries` are the two directions of a `channel`; `connection` owns channels.
Each imports only those named before it.
"""
