# innocent -- predecessors are sorted lists, static_order follows insertion order
from graphlib import TopologicalSorter


def saga(dependencies: dict[str, list[str]]) -> list[str]:
    graph = {step: sorted(set(needs)) for step, needs in dependencies.items()}
    return list(TopologicalSorter(graph).static_order())
