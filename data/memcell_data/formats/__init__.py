"""File formats: readers, validators that run before them, and which packages they need."""
