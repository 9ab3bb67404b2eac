"""From a traced graph to a schedule of values: lowering, what is saved, what lies in memory, in which pass.

The rules of lowering register themselves when they are imported, which is done here.
"""

from memcell_compiler.passes import lower_arrays, lower_moves, lower_pointwise, lower_rows

__all__ = ["lower_arrays", "lower_moves", "lower_pointwise", "lower_rows"]
