"""Who was recorded: told from names of files, tables and headers."""
