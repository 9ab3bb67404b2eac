"""Checks before training: what would make a network learn, or its scores say, something else than is meant.

Each check is a function from sequences, labels or summaries of signals to findings
(`memcell.applications.checking.DataFinding`). They refuse nothing: what must be refused (the same person or
the same signal on both sides) is `memcell_eeg.splits.leaks`' business.
"""
