"""What it takes to judge an answer again, in the same metadata as the other tables: more columns of ``exchange``."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary

from gateway.store.tables import exchange

__all__ = ["exchange"]

for _column in (
    Column("nonce", LargeBinary),  # of the stamp; random, so it tells nothing
    Column("proof", LargeBinary),  # sealed; what of the login the answer's signature is checked with
    Column("response_headers", LargeBinary),  # sealed
):
    exchange.append_column(_column)
