"""Tables that only this platform has: the result codes of section 3.6 (see README, "Codes")."""
