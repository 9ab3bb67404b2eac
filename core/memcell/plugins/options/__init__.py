"""Typed configs: one dataclass says a plugin's or command's options, and everything else is made of it.

From the same fields come the command-line options, the TOML file, the reference docs, the bounds that
are checked and the "did you mean" of a mistyped name.
"""

from memcell.plugins.options.fields import TYPES, FieldInfo, fields_of, option, plain
from memcell.plugins.options.values import from_mapping, replace, to_mapping

__all__ = [
    "TYPES",
    "FieldInfo",
    "fields_of",
    "from_mapping",
    "option",
    "plain",
    "replace",
    "to_mapping",
]
