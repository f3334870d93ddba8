"""Which addresses somebody has named, however the program asks for them."""

from __future__ import annotations

import pytest

from x07py.errors import UsageError
from x07py.wire.named import Named
from x07py.wire.stand_in import Address


@pytest.mark.parametrize("text", ["localhost:5432", "LOCALHOST.:5432", "127.0.0.1:5432", ":5432"])
def test_a_name_stands_for_its_numbers(text: str) -> None:
    assert Named([text]).holds(Address("127.0.0.1", 5432))
    assert not Named([text]).holds(Address("127.0.0.1", 5433))
    assert not Named([text]).holds(Address("127.0.0.2", 5432))


def test_ipv6_however_it_is_written() -> None:
    named = Named(["[0:0::1]:5432"])
    assert named.holds(Address("::1", 5432))
    assert named.has_host("::1")
    assert not named.has_host("localhost")


@pytest.mark.parametrize("text", ["localhost", "localhost:", "localhost:99999", "http://localhost"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no address"):
        Named([text])
