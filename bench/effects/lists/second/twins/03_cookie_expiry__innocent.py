# innocent -- an int in "max-age" is printed as it is
from http.cookies import SimpleCookie


def session_cookie(token: str, seconds: int = 3600) -> str:
    cookie = SimpleCookie()
    cookie["session"] = token
    cookie["session"]["max-age"] = seconds
    return cookie["session"].OutputString()
