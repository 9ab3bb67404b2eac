"""Export of predictions: EDF+ files, tables and a summary."""
