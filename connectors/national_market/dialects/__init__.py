"""Dialect files of services that take a table name and an XML string, and the WSDL of their common shape."""
