"""The command line. Importing a command imports no torch; running one does."""
