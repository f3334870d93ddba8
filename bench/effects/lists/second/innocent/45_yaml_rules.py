# innocent -- yaml.safe_load and safe_dump work on strings; mappings are sorted by key
import yaml


def load_rules(text: str) -> dict[str, int]:
    rules = yaml.safe_load(text) or {}
    return {str(name): int(percent) for name, percent in rules.items()}


def dump_rules(rules: dict[str, int]) -> str:
    return yaml.safe_dump(rules, default_flow_style=False)
