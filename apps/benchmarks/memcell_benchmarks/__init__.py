"""Benchmarks, found by name through the entry-point group ``memcell.bench``.

`memcell_benchmarks.cells` is ``memcell bench cells``: every registered cell against torch's own LSTM.
"""
