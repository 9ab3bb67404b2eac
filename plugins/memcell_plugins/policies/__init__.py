"""Built-in state policies, one a file. Options live in `memcell_plugins.policies.configs`."""
