# reaches: randomness -- networkx's seed=None means the global random generator
import networkx as nx


def mesh(nodes: int, density: float) -> list[tuple[int, int]]:
    return list(nx.gnp_random_graph(nodes, density).edges)
