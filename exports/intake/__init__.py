"""Loads real claims, as NDJSON files, into the claims store."""
