"""Typed configs: one dataclass says a plugin's or command's options, and everything else is made of it.

From the same fields come the command-line options, the TOML file, the reference docs, the bounds that
are checked and the "did you mean" of a mistyped name.
"""

from memcell.config.fields import FieldInfo, fields_of, option
from memcell.config.values import from_mapping, replace, to_mapping

__all__ = ["FieldInfo", "fields_of", "from_mapping", "option", "replace", "to_mapping"]
