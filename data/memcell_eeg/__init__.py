"""EEG for recurrent networks: signal, features, targets, splits, decisions, scores, baselines, live.

All that an application which detects events in EEG needs beside its own labels, rules and wording.
"""
