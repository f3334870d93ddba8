# innocent -- a key view is iterated in insertion order and only filtered by the other
def common(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return {name: left[name] + right[name] for name in left.keys() if name in right.keys()}


def merged(left: dict[str, int], right: dict[str, int]) -> str:
    return ",".join(f"{name}={value}" for name, value in common(left, right).items())
