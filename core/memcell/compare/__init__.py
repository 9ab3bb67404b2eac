"""Comparing settings honestly: paired runs, their records, statistics and report."""
