"""SOAP for connectors: envelopes and replies, UsernameToken, and the writer compiled from zeep's types."""

MULTIPART = "multipart/related"
MEDIA_TYPES = frozenset({"text/xml", "application/soap+xml", MULTIPART})
"""how an answer may call itself: SOAP 1.1, SOAP 1.2, either with attachments"""
