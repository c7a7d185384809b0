"""Pure rules of the credit wing: standard library, contract and domain only."""
