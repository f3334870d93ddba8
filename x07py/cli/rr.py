"""``x07 rr``: cassettes. Each command is imported when it is used: to run a program takes nothing of what shows one."""

from __future__ import annotations

from x07py.cli.commands import Commands

app: Commands = Commands("Look into, check, compare and repair cassettes.")
app.add(
    (
        ("view", "x07py.cli.rr_view:view"),
        ("exec", "x07py.cli.rr_exec:exec_program"),
        ("serve", "x07py.cli.rr_listen:serve"),
        ("record", "x07py.cli.rr_listen:record"),
        ("redact", "x07py.cli.rr_redact:redact"),
        ("scan", "x07py.cli.rr_scan:scan_recordings"),
        ("list", "x07py.cli.rr_files:list_cassettes"),
        ("show", "x07py.cli.rr_files:show"),
        ("stats", "x07py.cli.rr_files:stats"),
        ("text", "x07py.cli.rr_files:text"),
        ("verify", "x07py.cli.rr_files:verify"),
        ("diff", "x07py.cli.rr_files:diff"),
        ("recover", "x07py.cli.rr_files:recover"),
    )
)
