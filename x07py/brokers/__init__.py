"""Development brokers: embedded, native or in Docker, started, found and ended."""
