"""Pure helpers shared by connectors and the core: code tables, reply judging, redaction, SOAP, JSON, signing."""
