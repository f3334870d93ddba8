"""The brokers' protocols from the broker's side: stand-ins that record between a client and its broker, or replay."""
