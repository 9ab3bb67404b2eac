"""Comparing settings honestly: paired runs, their records, statistics and report.

The package can be called: ``memcell.compare(train=..., axes={"policy": ["carry", "reset"]})`` is
`memcell.compare.arrays.compare_arrays`.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memcell.compare.arrays import ComparisonResult


class _Callable(ModuleType):
    """This package, which is a function too: ``memcell.compare`` has to be both."""

    def __call__(self, *args: Any, **options: Any) -> "ComparisonResult":
        """Compare settings on arrays; see `memcell.compare.arrays.compare_arrays`."""
        from memcell.compare.arrays import compare_arrays

        return compare_arrays(*args, **options)


sys.modules[__name__].__class__ = _Callable
