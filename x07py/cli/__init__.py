"""Commands: parse, call one use case, render, exit. One file a command group; none is imported before it is used."""
