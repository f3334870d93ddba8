# innocent -- more_itertools cuts lists into pieces
from more_itertools import bucket, chunked, unique_everseen, windowed


def batches(rows: list[str], size: int = 2) -> list[list[str]]:
    return list(chunked(unique_everseen(rows), size))


def by_prefix(rows: list[str], prefix: str) -> list[str]:
    return list(bucket(rows, key=lambda row: row[:1])[prefix])


def rising(values: list[int]) -> bool:
    return all(a < b for a, b in windowed(values, 2, fillvalue=float("inf")))
