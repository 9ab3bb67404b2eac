"""Inline drawings of a report: along time, and small ones beside each other."""
