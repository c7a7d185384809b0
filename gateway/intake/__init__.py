"""Intake wing: files and sources in, judged rows and record versions out."""
