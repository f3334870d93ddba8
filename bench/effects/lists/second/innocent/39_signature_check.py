# innocent -- hmac and secrets.compare_digest are pure; no token is made
import hashlib
import hmac
from secrets import compare_digest


def signature(secret: bytes, body: bytes) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def authentic(secret: bytes, body: bytes, given: str) -> bool:
    return compare_digest(signature(secret, body), given)
