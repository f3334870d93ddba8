# reaches: environment -- os.path.expandvars substitutes from os.environ
import os.path

_PATTERN = "${STAGE}.orders.$REGION.v1"


def topic_name(suffix: str = "") -> str:
    name = os.path.expandvars(_PATTERN)
    return f"{name}.{suffix}" if suffix else name
