"""Bodies of exchanges: compressed before they are sealed, whole when they are opened, whenever they were written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.store.exchanges import open_body, seal_body
from gateway.domain.errors import StoreError
from gateway.store.vault import KeyRing, Vault

VAULT = Vault(KeyRing.generate())
PLACE = "exchange.response:1"
MARK = b"\x00z1\x00"


@given(st.one_of(st.binary(max_size=2000), st.binary(max_size=20).map(lambda end: MARK + end), st.just(b"<a/>" * 900)))
def test_every_body_comes_back_as_it_travelled(body: bytes) -> None:
    assert open_body(VAULT, seal_body(VAULT, body, PLACE) or b"", PLACE) == body


def test_a_long_message_takes_a_fraction_and_one_that_does_not_shrink_takes_no_more() -> None:
    message = b"".join(b'{"certificate": "%06d", "name": "x"},' % number for number in range(100))
    assert len(seal_body(VAULT, message, PLACE) or b"") < len(message) / 3
    noise = bytes((n * n * 31 + n // 7) % 251 for n in range(100))
    assert len(seal_body(VAULT, noise, PLACE) or b"") == len(VAULT.seal(noise, PLACE))


def test_a_body_that_was_sealed_before_bodies_were_compressed_opens() -> None:
    assert open_body(VAULT, VAULT.seal(b"<answer/>" * 200, PLACE), PLACE) == b"<answer/>" * 200


def test_what_is_torn_is_said_without_its_bytes() -> None:
    with pytest.raises(StoreError, match=r"exchange\.response does not open"):
        open_body(VAULT, VAULT.seal(MARK + b"torn", PLACE), PLACE)
