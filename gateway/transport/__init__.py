"""Bytes out, bytes in: the only importer of httpx and tenacity. It knows neither records nor states."""
