"""What code reaches: the capabilities of functions and module bodies, in the project and in what it imports.

A module's source becomes a compact summary (`lower`), which is kept by the hash of its content. An abstract machine
(`machine`, `evaluate`, `calls`) runs the summaries with values that are known in part: constants, functions, classes,
kinds of objects, sets whose order nobody knows. Each function it runs is a point of a graph, each call an edge, each
primitive of `primitives.toml` an end. What a module reaches is a walk over that graph; a finding is its shortest way.

Nothing is imported and nothing runs. What cannot be followed is counted and can be listed.
"""
