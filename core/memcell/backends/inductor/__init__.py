"""The Inductor backend: chunks of the cell's own step through torch.compile, CUDA graphs on a GPU.

`chunk` cuts a window into chunks of K steps and says what is compiled, `cache` compiles it once for each
combination that needs code of its own (never for another T), `probe` refuses first what a compiled step would
silently do otherwise, and `unroll` puts them together.
"""
