def name(o): return f"obj-{id(o)}"
