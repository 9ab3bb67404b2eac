"""Predictions as files: EDF+, tables, one row a recording."""
