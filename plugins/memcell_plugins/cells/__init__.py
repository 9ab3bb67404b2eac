"""Built-in cells, one a file. Options live in `memcell_plugins.cells.configs`, which imports no torch.

Conventions they share: weights are ``[rows, fan_in]`` as in torch, with the blocks of the gates stacked
over the rows; parameters are zeros until `Cell.reset_parameters` fills them; a bias is added after
normalization, so that a normalizer that subtracts a mean does not take it away again:
``z = norm("input", W x) + norm("recurrent", U h) + b``. Without a normalizer ``norm`` is the identity.
"""
