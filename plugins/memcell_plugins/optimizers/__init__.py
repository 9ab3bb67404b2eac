"""Built-in optimizers, one a file. Options live in `memcell_plugins.optimizers.configs`."""
