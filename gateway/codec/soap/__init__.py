"""SOAP for connectors: envelopes and replies, UsernameToken, and the writer compiled from zeep's types."""
