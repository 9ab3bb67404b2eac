"""Files: written whole or not at all, read with limits, in folders that nobody else can change."""
