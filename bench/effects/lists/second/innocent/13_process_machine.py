# innocent -- Process, Popen and Thread are states and names of a business process
from enum import Enum, auto


class Process(Enum):
    STARTED = auto()
    RUNNING = auto()
    KILLED = auto()


_NEXT = {Process.STARTED: Process.RUNNING, Process.RUNNING: Process.KILLED}


def fork(state: Process) -> tuple[Process, Process]:
    return _NEXT.get(state, state), Process.STARTED


def run(steps: int) -> str:
    state = Process.STARTED
    for _ in range(steps):
        state, _other = fork(state)
    return state.name.lower()
