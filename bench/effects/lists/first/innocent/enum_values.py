from enum import Enum, auto
class Kind(Enum):
    A = auto()
    B = auto()
def names(): return [k.name for k in Kind]
