"""Campaigns: many hostile inputs in a row, counted; a sample of each runs as a test.

``python -m tests.campaigns.NAME`` runs one in full; docs/results/robustness.md holds what they found.
"""
