"""The way "compiled": chunks of the cell's own step through torch.compile, CUDA graphs on a GPU.

`pieces` cuts a window into chunks of K steps, `chunk` is what is compiled, `cache` compiles it once for each
combination that needs code of its own (never for another T), `probe` refuses first what a compiled step would
silently do otherwise, and `unroll` puts them together.
"""

from memcell.backends.inductor.unroll import compiled_reason, unroll_compiled

__all__ = ["compiled_reason", "unroll_compiled"]
