"""Only for memcell's own repository, where this package lies about uninstalled. Leave it out of yours."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("memcell_template") else ["tests"]
