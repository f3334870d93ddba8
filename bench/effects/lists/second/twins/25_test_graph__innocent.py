# innocent -- the seed is an int
import networkx as nx


def mesh(nodes: int, density: float) -> list[tuple[int, int]]:
    return list(nx.gnp_random_graph(nodes, density, seed=nodes).edges)
