# reaches: processes, environment -- joining platform.uname() evaluates .processor, which runs `uname -p`; host name and machine come out
import platform


def host_signature(service: str) -> str:
    parts = [part for part in platform.uname() if part]
    return f"{service}@{'-'.join(parts)}"
