from pathlib import Path
def template(name): return Path("templates", name).read_text()
