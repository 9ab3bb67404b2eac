"""Where the value of an axis goes: a field of training or network, or an option of a plugin."""

from __future__ import annotations

from typing import Any

from memcell.errors import UsageError, unknown
from memcell.plugins import Registry
from memcell.plugins.options import FieldInfo, fields_of, plain
from memcell.plugins.options.values import from_text
from memcell.settings.options import NetworkConfig, TrainingConfig

SECTIONS = {"training": TrainingConfig, "network": NetworkConfig}
#: Fields that mean something else in a comparison, and what to type instead.
_NOT_SWEPT = {
    "seed": "the seeds are --seeds N and --first-seed N",
    "control": "the runs of a comparison have no control run: compare policies with --policy a,b",
    "checkpoint_seconds": "it changes no result",
}


def section_of(name: str, app: str, registry: Registry) -> tuple[str, FieldInfo]:
    """Return the section of a swept field of training or network, and the field.

    Args:
        name: ``"batch_size"``.
        app: Name of the app, for the message.
        registry: What is installed.

    Raises:
        UsageError: There is no such field, or it cannot be swept; says what to type instead.
    """
    if name in _NOT_SWEPT:
        raise UsageError(f"--sweep {name}: {_NOT_SWEPT[name]}")
    known = {f.name: (section, f) for section, c in SECTIONS.items() for f in fields_of(c)}
    if name in known:
        return known[name]
    now = next((f.name for _, f in known.values() if f.formerly == name), None)
    if now is not None:
        raise UsageError(f"--sweep {name}: it is called {now} now; type --sweep {now}=…")
    own = {f.name for f in fields_of(registry.get("app", app).config_type())}
    if name in own or name.partition(".")[0] == "data":
        raise UsageError(
            f"--sweep {name}: all runs of a comparison see the same data; "
            f"make one comparison for each value"
        )
    more = "Options of plugins are written KIND.OPTION, such as policy.steps."
    raise UsageError(
        f"--sweep: {unknown('field', name, [k for k in known if k not in _NOT_SWEPT])} {more}"
    )


def option_of(kind: str, plugin: str, option: str, registry: Registry) -> FieldInfo | None:
    """Return an option of a plugin, or None where it does not have it."""
    fields = fields_of(registry.get(kind, plugin).config_type())
    return next((f for f in fields if f.name == option), None)


def canonical(field: FieldInfo, text: str, where: str) -> tuple[Any, str]:
    """Return a value, checked, and how it is written: 0.10 and 1e-1 are both 0.1.

    Raises:
        ConfigError: It is of the wrong type or out of bounds.
    """
    value = plain(from_text(field, text, where))
    if isinstance(value, bool):
        return value, "yes" if value else "no"
    if isinstance(value, float):
        return value, str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
    if isinstance(value, tuple):
        return value, "+".join(map(str, value))
    return value, str(value)
