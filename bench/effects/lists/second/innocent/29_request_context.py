# innocent -- contextvars set and reset a value; neither variable nor token is printed
from contextvars import ContextVar, copy_context

_tenant: ContextVar[str] = ContextVar("tenant", default="public")


def current_topic(name: str) -> str:
    return f"{_tenant.get()}.{name}"


def topic_for(tenant: str, name: str) -> str:
    def inside() -> str:
        _tenant.set(tenant)
        return current_topic(name)

    return copy_context().run(inside)
