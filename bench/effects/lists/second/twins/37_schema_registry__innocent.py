# innocent -- with a referencing.Registry of its own an unknown $ref is an error
from jsonschema import Draft202012Validator
from referencing import Registry


def errors(schema: dict, message: dict) -> list[str]:
    validator = Draft202012Validator(schema, registry=Registry())
    return sorted(error.message for error in validator.iter_errors(message))
