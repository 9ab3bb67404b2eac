"""Built-in samplers, one a file. Options live in `memcell_plugins.samplers.configs`.

Where an order is flat (no streams), batch k holds its windows k*B to k*B + B - 1.
"""
