"""Targets of the steps from an expert's intervals."""
