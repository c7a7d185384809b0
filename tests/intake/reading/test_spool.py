"""Blocks that leave memory come back whole, and what lies on the disk meanwhile tells nothing."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

from gateway.intake.reading.spool import Spool


def test_blocks_come_back_in_any_order_and_between_additions() -> None:
    rng = random.Random(1)
    blocks = [rng.randbytes(rng.randrange(3000)) for _ in range(40)]
    spool = Spool()
    for number, block in enumerate(blocks):
        spool.add(block)
        at = rng.randrange(number + 1)
        assert spool.read(at) == blocks[at]
    assert [spool.read(number) for number in range(len(spool))] == blocks


def test_nothing_in_clear_and_no_name_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spool = Spool()
    spool.add(b"370000198001010017" * 50)
    assert list(tmp_path.iterdir()) == []
    spool._file.seek(0)
    stored = spool._file.read()
    assert len(stored) > 900
    assert b"37000019800101" not in stored


def test_a_block_that_was_changed_or_moved_does_not_open() -> None:
    def changed(change: Any) -> Spool:
        spool = Spool()
        spool.add(b"first block")
        spool.add(b"other block")
        spool._file.seek(0)
        content = bytearray(spool._file.read())
        change(content)
        spool._file.seek(0)
        spool._file.write(content)
        return spool

    half = len(b"first block") + 16

    def flip(content: bytearray) -> None:
        content[3] ^= 1

    def swap(content: bytearray) -> None:
        content[:half], content[half:] = content[half:], content[:half]

    for change in (flip, swap):
        with pytest.raises(InvalidTag):
            changed(change).read(0)
