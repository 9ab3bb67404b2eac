"""Built-in normalizers, one a file. Options live in `memcell_plugins.normalizers.configs`."""
