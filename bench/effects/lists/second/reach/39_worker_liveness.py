# reaches: processes -- the probe is a default argument bound to os.kill
import os


def _alive(pid: int, probe=os.kill) -> bool:
    try:
        probe(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def stale_leases(leases: dict[str, int]) -> list[str]:
    return sorted(name for name, pid in leases.items() if not _alive(pid))
