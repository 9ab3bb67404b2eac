"""Recordings to sequences: labels first, then features, from the cache where they were made before."""
