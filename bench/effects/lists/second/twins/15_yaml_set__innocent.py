# innocent -- with sort_keys (the default) the members of the set are sorted
import yaml


def dump_rule(name: str, countries: list[str]) -> str:
    return yaml.safe_dump({"name": name, "countries": set(countries)})
