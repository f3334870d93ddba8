"""The kernel's side of confinement. Knows nothing of brokers, contracts or commands."""
