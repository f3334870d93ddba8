# reaches: order -- networkx.connected_components yields sets that are joined
import networkx as nx


def shipment_groups(links: list[tuple[str, str]]) -> list[str]:
    graph = nx.Graph()
    graph.add_edges_from(links)
    return ["+".join(group) for group in nx.connected_components(graph)]
