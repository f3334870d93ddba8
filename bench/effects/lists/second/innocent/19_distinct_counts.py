# innocent -- len, integer sum, any and all over sets do not depend on the order
def basket_metrics(lines: list[tuple[str, int]]) -> dict[str, int | bool]:
    skus = {sku for sku, _ in lines}
    prices = frozenset(cents for _, cents in lines)
    return {
        "distinct": len(skus),
        "price_points": len(prices),
        "price_total": sum(prices),
        "all_regular": all(sku.startswith("R-") for sku in skus),
        "any_free": any(cents == 0 for cents in prices),
    }
