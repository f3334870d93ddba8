import yaml
def load(text): return yaml.safe_load(text), yaml.safe_dump({"a": 1})
