# reaches: network, environment -- a jsonschema validator without registry fetches remote $refs with urlopen (which asks os.environ for proxies)
from jsonschema import Draft202012Validator


def errors(schema: dict, message: dict) -> list[str]:
    validator = Draft202012Validator(schema)
    return sorted(error.message for error in validator.iter_errors(message))
