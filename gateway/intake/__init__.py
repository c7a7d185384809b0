"""Reported batches: a workbook or CSV of a city is read into filings, and refused rows go back with their reasons."""
