# reaches: clock -- an int in "expires" is turned into a date relative to now at output
from http.cookies import SimpleCookie


def session_cookie(token: str, seconds: int = 3600) -> str:
    cookie = SimpleCookie()
    cookie["session"] = token
    cookie["session"]["expires"] = seconds
    return cookie["session"].OutputString()
