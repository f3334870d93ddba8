"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("x07py", deadline=None)
settings.load_profile("x07py")
