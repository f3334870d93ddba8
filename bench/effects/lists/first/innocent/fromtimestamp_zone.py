from datetime import UTC, datetime
def at(seconds): return datetime.fromtimestamp(seconds, tz=UTC).isoformat()
