from __future__ import annotations
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from pathlib import Path
    from socket import socket
def name(p: Path, s: socket) -> str: return p.name
