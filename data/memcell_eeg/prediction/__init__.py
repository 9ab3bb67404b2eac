"""A trained detector over any number of recordings."""
