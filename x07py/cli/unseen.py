"""What ``--explain`` adds: calls that could not be followed, modules that could not be read, what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.cli.output import console

if TYPE_CHECKING:
    from x07py.effects.analysis import Answer


def print_unseen(answer: Answer | None) -> None:
    """Print what an answer does not cover, a line each; None is a project without solve modules, which asks nothing."""
    out = console()
    if answer is None:
        out.print("not followed  no module is in a solve world, so no call was")
        return
    for name, calls in sorted(answer.unresolved.items()):
        for function, line, text in calls:
            out.print(f"not followed  {name}:{line} in {function or 'the body'}: {text}(...)")
    for name, why in sorted(answer.unread.items()):
        out.print(f"not read      {name}: {why}")
    for name, count in sorted(answer.quiet.items()):
        out.print(f"left out      {name}, {count} times: its result does not show what it reaches")
    for package, capability, primitive in answer.at_import:
        out.print(f"at import     {package}: {capability} by {primitive}")
