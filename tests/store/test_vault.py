"""Sealing, opening and indexing; keys that protect nothing are refused."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import ConfigurationError, StoreError
from gateway.store.vault import KeyRing, Vault, read_or_make_keys, write_keys

PLACE = "record.content:person/01/1"
RING = KeyRing.generate()


def b64(key: bytes) -> str:
    return base64.b64encode(key).decode()


def key(name: str) -> bytes:
    """Bytes as a random key has them, the same at each run."""
    return hashlib.sha256(name.encode()).digest()


def plain(**changes: Any) -> str:
    ring = {"active": "k1", "keys": {"k1": b64(key("k1"))}, "index": b64(key("index"))}
    return json.dumps(ring | changes)


@given(value=st.binary(max_size=200), place=st.text(max_size=40).filter(lambda t: t.isprintable()))
def test_what_is_sealed_opens_at_its_place(value: bytes, place: str) -> None:
    vault = Vault(RING)
    assert vault.open(vault.seal(value, place), place) == value


def test_equal_values_are_sealed_differently_and_show_nothing() -> None:
    vault = Vault(RING)
    one, two = (vault.seal("王小明370000199001010011".encode(), PLACE) for _ in range(2))
    assert one != two
    assert b"3700001990" not in one


@pytest.mark.parametrize("place", ["record.content:person/01/2", "filing.cells:person/01/1", "", PLACE + " "])
def test_a_value_moved_elsewhere_does_not_open(place: str) -> None:
    vault = Vault(RING)
    with pytest.raises(StoreError, match="does not open"):
        vault.open(vault.seal(b"x", PLACE), place)


def test_a_value_with_any_byte_changed_does_not_open() -> None:
    vault = Vault(RING)
    sealed = vault.seal(b"secret", PLACE)
    for at in range(len(sealed)):
        with pytest.raises(StoreError):
            vault.open(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], PLACE)


@given(sealed=st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(lambda rest: b"k1:" + rest)))
def test_bytes_that_were_never_sealed_do_not_open(sealed: bytes) -> None:
    with pytest.raises(StoreError):
        Vault(RING).open(sealed, PLACE)


def test_the_error_names_the_column_and_not_the_row() -> None:
    with pytest.raises(StoreError) as caught:
        Vault(RING).open(Vault(RING).seal(b"x", PLACE), "record.content:person/370000199001010011/1")
    assert "record.content" in str(caught.value)
    assert "370000" not in str(caught.value)


def test_a_key_that_is_gone_is_said_to_be() -> None:
    other = KeyRing(active="k9", keys={"k9": RING.keys["k1"]}, index=RING.index)
    with pytest.raises(StoreError, match="not in the ring"):
        Vault(other).open(Vault(RING).seal(b"x", PLACE), PLACE)


def test_after_a_rotation_new_values_take_the_new_key_and_old_ones_stay_readable() -> None:
    old = Vault(RING).seal(b"old", PLACE)
    ring = KeyRing.parse(
        KeyRing(active="k2", keys={**RING.keys, "k2": KeyRing.generate().index}, index=RING.index).to_text()
    )
    rotated = Vault(ring)
    new = rotated.seal(b"new", PLACE)
    assert (old[:3], new[:3]) == (b"k1:", b"k2:")
    assert [rotated.open(sealed, PLACE) for sealed in (old, new)] == [b"old", b"new"]
    assert rotated.index("name", "王小明") == Vault(RING).index("name", "王小明")
    without_old = Vault(KeyRing(active="k2", keys={"k2": ring.keys["k2"]}, index=ring.index))
    assert without_old.open(new, PLACE) == b"new"


def test_the_index_is_keyed_stable_and_apart_by_kind() -> None:
    vault = Vault(RING)
    assert vault.index("name", "王小明") == Vault(KeyRing.parse(RING.to_text())).index("name", "王小明")
    assert len({vault.index("name", "x"), vault.index("id_number", "x"), vault.index("name", "y")}) == 3
    assert vault.index("name", "x") != Vault(KeyRing.generate()).index("name", "x")
    assert len(vault.index("name", "x")) == 64


def test_a_ring_survives_its_text_form_and_shows_no_key() -> None:
    ring = KeyRing.generate()
    assert KeyRing.parse(ring.to_text()) == ring
    assert "\\x" not in repr(ring)
    assert repr(ring) == "KeyRing(active='k1')"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a key ring"),
        ("nonsense", "not a key ring"),
        ("[]", "not a key ring"),
        ("{}", "not a key ring"),
        (plain(keys={"k1": "###"}), "not a key ring"),
        (plain(keys=["k1"]), "not a key ring"),
        (plain(index=7), "not a key ring"),
        (plain(active="k2"), "active key is not in the ring"),
        (plain(keys={}), "active key is not in the ring"),
        (plain(keys={"k1": b64(b"short")}), "key k1 must have 32 bytes"),
        (plain(index=b64(bytes(range(33)))), "key index must have 32 bytes"),
        (plain(keys={"k1": b64(bytes(32))}), "key k1 is a sample"),
        (plain(keys={"k1": b64(b"0123456789abcdef"[:10] * 3 + b"01")}), "key k1 is a sample"),
        (plain(index=b64(b"\x01" * 32)), "key index is a sample"),
        (plain(keys={"k1": b64(key("k1")), "old": b64(b"x" * 32)}), "key old is a sample"),
        (plain(keys={"k1": b64(bytes(range(32)))}), "key k1 is a sample"),
        (plain(keys={"k1": b64(bytes(range(200, 168, -1)))}), "key k1 is a sample"),
        (plain(index=b64(b"correct horse battery staple 123")), "key index is a sample"),
        (plain(index=b64(key("k1"))), "keys k1 and index are the same"),
        (plain(active="a:b", keys={"a:b": b64(key("a"))}), "name of a key"),
        (plain(active="", keys={"": b64(bytes(range(32)))}), "name of a key"),
        (plain(keys={"k1": b64(key("k1")), "密": b64(key("k2"))}), "name of a key"),
    ],
)
def test_a_ring_that_protects_nothing_is_refused_without_showing_it(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=f"GATEWAY_KEYS: .*{reason}") as caught:
        KeyRing.parse(text)
    assert caught.value.__cause__ is None
    assert "AAAA" not in str(caught.value)


def test_a_generated_ring_is_never_taken_for_a_sample() -> None:
    for _ in range(200):
        KeyRing.generate().verify()


def test_keys_are_made_once_readable_by_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "home" / "keys.json"
    (tmp_path / "home").mkdir()
    path.with_suffix(".new").write_text("left by a crash")
    made = read_or_make_keys(path, make=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_or_make_keys(path, make=True) == made == read_or_make_keys(path, make=False)
    assert [p.name for p in path.parent.iterdir() if p.name.startswith("keys.json")] == ["keys.json"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keys.json"
    read_or_make_keys(path, make=True)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=r"keys\.json can be read by others.*chmod 600"):
        read_or_make_keys(path, make=False)


def test_a_running_vault_takes_a_new_key_from_its_file_and_writes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    old = read_or_make_keys(path, make=True)
    running = Vault(old, path)
    new = KeyRing(active="k2", keys={**old.keys, "k2": key("k2")}, index=old.index)
    write_keys(path, new)
    sealed = Vault(new).seal(b"x", PLACE)
    assert running.open(sealed, PLACE) == b"x"
    assert running.seal(b"y", PLACE).startswith(b"k2:")


def test_missing_keys_are_not_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"keys\.json.*gateway init"):
        read_or_make_keys(tmp_path / "keys.json", make=False)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_key_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text("{")
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="not a key ring"):
        read_or_make_keys(path, make=True)
    assert path.read_text() == "{"


def test_two_that_make_keys_at_once_use_the_same(tmp_path: Path) -> None:
    rings: list[KeyRing] = []

    def together(count: int, work: Callable[[], None]) -> None:
        barrier = threading.Barrier(count)

        def one() -> None:
            barrier.wait()
            work()

        threads = [threading.Thread(target=one) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    for attempt in range(10):
        path = tmp_path / str(attempt) / "keys.json"
        rings.clear()
        together(4, lambda path=path: rings.append(read_or_make_keys(path, make=True)))  # type: ignore[misc]
        assert rings == [read_or_make_keys(path, make=False)] * 4
