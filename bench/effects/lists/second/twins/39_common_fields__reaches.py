# reaches: order -- & of two key views is a new set and its order becomes the dict's
def common(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return {name: left[name] + right[name] for name in left.keys() & right.keys()}


def merged(left: dict[str, int], right: dict[str, int]) -> str:
    return ",".join(f"{name}={value}" for name, value in common(left, right).items())
