# reaches: order -- with sort_keys=False yaml writes a set as a mapping in the set's order
import yaml


def dump_rule(name: str, countries: list[str]) -> str:
    return yaml.safe_dump({"name": name, "countries": set(countries)}, sort_keys=False)
