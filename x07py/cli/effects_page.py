"""What code reaches, as one HTML page without scripts: capabilities, places, chains that open on a click."""

from __future__ import annotations

from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Any

from x07py.printing import content_policy, escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def effects_page(document: dict[str, Any]) -> str:
    """Return a report of ``x07 effects`` as a page that needs no network.

    Args:
        document: the report as JSON has it, schema ``x07py.effects.report``.
    """
    title = f"what {document['about']} reaches"
    template = resources.files(__package__).joinpath("effects.html").read_text(encoding="utf-8")
    head, _, tail = template.partition("@BODY@")
    head = head.replace("@POLICY@", content_policy(template)).replace("@TITLE@", _text(title))
    return head + "\n".join(_body(document, title)) + tail


def _body(document: dict[str, Any], title: str) -> Iterator[str]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in document["reaches"]:
        found.setdefault(row["capability"], []).append(row)
    read = document["read"]
    yield f"<h1>{_text(title)}</h1>"
    links = " ".join(f'<a href="#{_text(name)}">{_text(name)} {len(rows)}</a>' for name, rows in sorted(found.items()))
    yield f"<nav>{links or 'nothing'}</nav>"
    yield (
        f'<p class="soft">Python {_text(document["python"])}: read {read["modules"]} modules, '
        f"{len(read['distributions'])} distributions, {len(read['unread'])} not read; "
        f"{len(document['unresolved'])} calls not followed</p>"
    )
    for name, rows in sorted(found.items()):
        yield f'<h2 id="{_text(name)}">{_text(name)}</h2>'
        yield from map(_reach, rows)
    calls = (f"{one['module']}:{one['line']} {one['function']}: {one['call']}(…)" for one in document["unresolved"])
    yield from _list("calls not followed", calls)
    yield from _list("modules not read", (f"{name}: {why}" for name, why in sorted(read["unread"].items())))
    left = document["left_out"]
    yield from _list(
        "left out, since results do not show it", (f"{k}, {n} times" for k, n in sorted(left["quiet"].items()))
    )
    seen = (f"{one['package']}: {one['capability']} by {one['primitive']}" for one in left["at_import"])
    yield from _list("looked at as packages are imported", seen)


def _reach(row: dict[str, Any]) -> str:
    where = f"{row['module']}:{row['line']}" + (f" in {row['function']}" if row["function"] else "")
    steps = "".join(
        f"<li><code>{_text(step['module'])}:{step['line']}</code> reaches <code>{_text(step['target'])}</code></li>"
        for step in row["chain"]
    )
    allowed = f'<p class="soft">allowed by a comment: {_text(row["allowed"])}</p>' if row["allowed"] else ""
    return (
        f"<details><summary><code>{_text(where)}</code> reaches <code>{_text(row['primitive'])}</code>: "
        f"{_text(row['reason'])}</summary><ol>{steps}</ol>{allowed}</details>"
    )


def _list(title: str, lines: Iterable[str]) -> Iterator[str]:
    items = [f"<li>{_text(line)}</li>" for line in lines]
    if items:
        yield f"<details><summary>{len(items)} {title}</summary><ul>{''.join(items)}</ul></details>"


def _text(value: object) -> str:
    return escape(escaped(str(value)))
