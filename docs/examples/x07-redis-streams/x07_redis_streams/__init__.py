"""Redis Streams as a driver of x07py: consumer groups, acks, claims of stale messages."""
