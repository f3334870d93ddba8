# innocent -- tomlkit edits a document held in a string
import tomlkit


def raise_limit(document: str, name: str, value: int) -> str:
    parsed = tomlkit.parse(document)
    limits = parsed.setdefault("limits", tomlkit.table())
    limits[name] = value
    limits[name].comment("raised")
    return tomlkit.dumps(parsed)
