"""``x07 rr serve`` and ``x07 rr record``: a cassette at a port, for programs of every language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from x07py.cli.commands import Exit, argument, option
from x07py.cli.completion import cassettes
from x07py.cli.output import console

if TYPE_CHECKING:
    from x07py.testing.cassette import use_cassette

CassetteArgument = Annotated[
    str,
    argument(help="A name below .x07_rr of the project.", show_default=False, autocompletion=cassettes),
]
ListenOption = Annotated[str, option("--listen", help="HOST:PORT; port 0 takes a free one.")]
MatchOption = Annotated[
    list[str] | None, option("--match-on", help="topic, key, headers or value; repeat it. Default: all four.")
]
IgnoreOption = Annotated[list[str] | None, option("--ignore-header", help="Do not compare this header; repeat it.")]
FilterOption = Annotated[
    list[str] | None, option("--filter-header", help="Redact this header before it is written; repeat it.")
]

_TLS = "tls://"


def serve(
    cassette: CassetteArgument,
    listen: ListenOption = "127.0.0.1:0",
    match_on: MatchOption = None,
    ignore_header: IgnoreOption = None,
    filter_header: FilterOption = None,
    allow_unused: Annotated[bool, option("--allow-unused", help="Entries may be left over at the end.")] = False,
) -> None:
    """Be the broker that a cassette was recorded from, for whoever connects, until Ctrl-C or SIGTERM.

    Ends with 125, and says why, when a client does something else than was recorded.

    Example: x07 rr serve shop.x07rr.bin --listen 127.0.0.1:9092
    """
    options = {"mode": "none", "allow_unused": allow_unused}
    _listen(_cassette(cassette, options, match_on, ignore_header, filter_header), listen, None)


def record(
    cassette: CassetteArgument,
    upstream: Annotated[
        str, option("--upstream", help="HOST:PORT of the broker, or tls://HOST:PORT.", show_default=False)
    ],
    listen: ListenOption = "127.0.0.1:0",
    ignore_header: IgnoreOption = None,
    filter_header: FilterOption = None,
) -> None:
    """Record what clients and a broker say to each other through a port, until Ctrl-C or SIGTERM.

    Clients connect without TLS; a TLS connection, or one that is no broker client's, ends the recording with 125.
    An older cassette of the name is replaced at the end, and only if nothing went wrong.

    Example: x07 rr record shop.x07rr.bin --listen 127.0.0.1:9092 --upstream broker:9092
    """
    _listen(_cassette(cassette, {"mode": "all"}, None, ignore_header, filter_header), listen, upstream)


def _cassette(
    name: str,
    options: dict[str, Any],
    match_on: list[str] | None,
    ignore_header: list[str] | None,
    filter_header: list[str] | None,
) -> use_cassette:
    from x07py.testing.cassette import use_cassette

    given: dict[str, Any] = {"match_on": match_on, "ignore_headers": ignore_header, "filter_headers": filter_header}
    return use_cassette(name, **options, **{name: value for name, value in given.items() if value})


def _listen(cassette: use_cassette, at: str, upstream: str | None) -> None:
    from x07py.cli.output import print_error
    from x07py.errors import CassetteError
    from x07py.testing.listening import listen
    from x07py.wire.listener import connect, connect_over_tls
    from x07py.wire.stand_in import parse_address

    in_tls = upstream is not None and upstream.startswith(_TLS)
    behind = parse_address(upstream.removeprefix(_TLS)) if upstream is not None else None
    connecting = connect_over_tls if in_tls else connect

    def tell(line: str) -> None:
        console(stderr=True).print(line, soft_wrap=True)

    try:
        listen(cassette, parse_address(at), behind, tell, connecting=connecting)
    except CassetteError as error:
        print_error(error, command="rr.serve" if upstream is None else "rr.record", as_json=False)
        raise Exit(125) from None
