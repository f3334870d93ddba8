# reaches: order -- graphlib adds predecessors in the order of the sets it is given
from graphlib import TopologicalSorter


def saga(dependencies: dict[str, list[str]]) -> list[str]:
    graph = {step: set(needs) for step, needs in dependencies.items()}
    return list(TopologicalSorter(graph).static_order())
