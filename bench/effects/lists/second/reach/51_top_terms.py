# reaches: order -- Counter fed with sets; most_common breaks ties by insertion order
from collections import Counter


def top_terms(messages: list[str], count: int = 3) -> list[str]:
    seen: Counter[str] = Counter()
    for message in messages:
        seen.update(set(message.split()))
    return [term for term, _ in seen.most_common(count)]
