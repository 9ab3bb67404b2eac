"""From C text to a loaded library: the compiler, the target, the cache on disk."""
