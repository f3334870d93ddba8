"""Record and replay: cassettes, policies, sessions, redaction, the guard. Knows nothing of brokers."""

from x07py.rr.cassette import Cassette
from x07py.rr.config import Config, Match, Mode
from x07py.rr.entry import Entry
from x07py.rr.entry_template import EntryTemplate, Row
from x07py.rr.open import open_session_from_environment, session
from x07py.rr.replay_state import Answer
from x07py.rr.session import Session, current_session

__all__ = [
    "Answer",
    "Cassette",
    "Config",
    "Entry",
    "EntryTemplate",
    "Match",
    "Mode",
    "Row",
    "Session",
    "current_session",
    "open_session_from_environment",
    "session",
]
