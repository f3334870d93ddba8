"""The one way to read and to write a file of a project.

A checkout is untrusted data: any path in it may be a link, a pipe, a device, or larger than memory.

Reading, `read_file(path, limit=BYTES, root=PROJECT)`: a regular file of at most `limit` bytes that no link has led out
of `root`. What is something else raises an `OSError` whose `strerror` says what, so a caller's own ``except OSError``
tells it under the caller's own code. `open_file` is the same for what is read piece by piece.

Writing, `replace_file(path, data, root=PROJECT)`: written beside, synced, renamed, folder synced; whole or not at all.
A last part that is a link is refused. With `root`, no folder between `root` and the file may be a link either, which
also holds while another program changes those folders: each is opened from the one above it and kept open.
Streams use `open_folder` and `open_in` for the same rule; `refuse_link` is the question alone, for paths that are
given to somebody else.
"""

from x07py.files.links import LinkError, open_folder, open_in, refuse_link
from x07py.files.nested import load_json
from x07py.files.notebook import NOTEBOOK, source_text
from x07py.files.reading import (
    CONTRACT_BYTES,
    MANIFEST_BYTES,
    SOURCE_BYTES,
    NotAFileError,
    TooLargeError,
    cannot_read,
    digest_file,
    is_inside,
    open_file,
    read_file,
)
from x07py.files.removing import remove_tree
from x07py.files.scratch import scratch_folder
from x07py.files.source import decoded, parsed, parsed_expression
from x07py.files.toml import line_end, parse_toml, with_line_ends_of
from x07py.files.tree import digest_tree
from x07py.files.writing import cannot_write, make_folder, replace_file

__all__ = [
    "CONTRACT_BYTES",
    "MANIFEST_BYTES",
    "NOTEBOOK",
    "SOURCE_BYTES",
    "LinkError",
    "NotAFileError",
    "TooLargeError",
    "cannot_read",
    "cannot_write",
    "decoded",
    "digest_file",
    "digest_tree",
    "is_inside",
    "line_end",
    "load_json",
    "make_folder",
    "open_file",
    "open_folder",
    "open_in",
    "parse_toml",
    "parsed",
    "parsed_expression",
    "read_file",
    "refuse_link",
    "remove_tree",
    "replace_file",
    "scratch_folder",
    "source_text",
    "with_line_ends_of",
]
