"""One rule, one function: from the graph and the manifest to findings."""
