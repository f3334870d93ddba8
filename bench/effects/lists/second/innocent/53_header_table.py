# innocent -- aiohttp's hdrs and multidict build header values; no session is made
from aiohttp import hdrs
from multidict import CIMultiDict


def headers(tenant: str, accept: list[str]) -> CIMultiDict[str]:
    table = CIMultiDict({hdrs.CONTENT_TYPE: "application/json", "X-Tenant": tenant})
    for kind in accept:
        table.add(hdrs.ACCEPT, kind)
    return table


def wire_format(tenant: str, accept: list[str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers(tenant, accept).items())
