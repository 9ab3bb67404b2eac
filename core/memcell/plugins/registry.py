"""The registry: what is installed, by kind and name, and its parts imported when they are used."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from memcell.errors import MemcellError, PluginError, UsageError, unknown
from memcell.plugins.loader import (
    OWN_DISTRIBUTION,
    Failure,
    Loaded,
    Selection,
    installed,
    load,
)
from memcell.plugins.options import fields_of, from_mapping
from memcell.plugins.options.values import check
from memcell.plugins.specs import Spec

#: Options of every command, which an app's own, typed beside them, cannot be called.
OF_COMMANDS = ("quiet", "verbose", "log", "traceback", "help", "help_all", "out")


@dataclass(frozen=True, kw_only=True)
class NoOptions:
    """The config of a plugin without options."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One plugin of one kind.

    Args:
        spec: What it declares.
        distribution: The package that brings it.
        version: That package's version.
        conflict: Who else brings the same name, empty where nobody does.
    """

    spec: Spec
    distribution: str
    version: str
    conflict: str = ""

    @property
    def built_in(self) -> bool:
        """Whether memcell's own distribution brings it."""
        return self.distribution == OWN_DISTRIBUTION

    @property
    def origin(self) -> str:
        """Kind, name, distribution and version in words."""
        return f"{self.spec.kind} '{self.spec.name}' of {self.distribution} {self.version}"

    def missing(self) -> str:
        """Return which of the plugin's modules cannot be found, empty where all are; none is imported."""
        named = (getattr(self.spec, field, None) for field in REFERENCES)
        modules = [reference.partition(":")[0] for reference in named if reference]
        return next((module for module in modules if not _is_there(module)), "")

    def config_type(self) -> type[Any]:
        """Import and return its config dataclass."""
        if self.spec.config is None:
            return NoOptions
        found = self._import(self.spec.config)
        if not isinstance(found, type):
            raise PluginError(f"{self.origin}: config '{self.spec.config}' is not a dataclass")
        return self._with_options(found)

    def predict_config_type(self) -> type[Any] | None:
        """Import and return the dataclass of an app's options of prediction, None where it has none."""
        reference: str | None = getattr(self.spec, "predict_config", None)
        if reference is None:
            return None
        found = self._import(reference)
        if not isinstance(found, type):
            raise PluginError(f"{self.origin}: predict_config '{reference}' is not a dataclass")
        return self._with_options(found)

    def stream_config_type(self) -> type[Any] | None:
        """Import and return the dataclass of an app's options of a live stream, None where it has none."""
        reference: str | None = getattr(self.spec, "stream_config", None)
        if reference is None:
            return None
        found = self._import(reference)
        if not isinstance(found, type):
            raise PluginError(f"{self.origin}: stream_config '{reference}' is not a dataclass")
        return self._with_options(found)

    def _with_options(self, config: type[Any]) -> type[Any]:
        """Return a config whose fields are all options.

        Raises:
            PluginError: One is not; names plugin, distribution and option.
        """
        try:
            fields = fields_of(config)
            if self.spec.kind == "app" and (taken := [f for f in fields if f.name in OF_COMMANDS]):
                raise TypeError(
                    f"'{taken[0].name}' is an option of every command (--{taken[0].flag}); rename it"
                )
            for field in fields:
                if field.default is not None:
                    check(field, field.default, "the default of")
        # hints may be of any form, and name what is not there
        except Exception as error:
            raise PluginError(f"{self.origin}: its options: {_line(error)}") from error
        return config

    def build_checker(self) -> Any:
        """Import and build what looks into a data set's files, None where it has nothing that does."""
        return self._built("checker")

    def build_label_tool(self) -> Any:
        """Import and build what reads and writes label files, None where it has nothing that does."""
        return self._built("labels")

    def _built(self, name: str) -> Any:
        reference: str | None = getattr(self.spec, name, None)
        if reference is None:
            return None
        factory = self._import(reference)
        try:
            return factory()
        except Exception as error:
            raise PluginError(
                f"{self.origin}: {name} '{reference}' could not be built: {_line(error)}"
            ) from error

    def config(self, values: Mapping[str, Any]) -> Any:
        """Return its config with the given values, checked."""
        return from_mapping(self.config_type(), values, f"{self.spec.kind} '{self.spec.name}':")

    def capabilities(self, config: Any) -> dict[str, Any]:
        """Return what the spec declares, with what the config overrides."""
        declared = {
            name: getattr(self.spec, name)
            for name in self.spec.__dataclass_fields__
            if name not in Spec.__dataclass_fields__
        }
        overrides: dict[str, Any] = getattr(config, "capabilities", dict)()
        return {**declared, **overrides}

    def factory(self) -> Any:
        """Import and return its factory.

        Raises:
            PluginError: The import failed; names kind, name, distribution and version.
        """
        return self._import(self.spec.factory)

    def build(self, *args: Any) -> Any:
        """Import its factory and call it.

        Raises:
            PluginError: The import or the call failed; names kind, name, distribution and version.
            MemcellError: What the factory itself says to the person.
        """
        factory = self.factory()
        try:
            return factory(*args)
        except MemcellError:
            raise
        except Exception as error:
            raise PluginError(f"{self.origin} could not be built: {_line(error)}") from error

    def _import(self, reference: str) -> Any:
        module, _, attribute = reference.partition(":")
        try:
            return getattr(import_module(module), attribute)
        except MemcellError:
            raise
        except Exception as error:
            raise PluginError(
                f"{self.origin}: importing '{reference}' failed: {_line(error)}"
            ) from error


#: Fields of specs that say where something is imported from.
REFERENCES = ("factory", "config", "checker", "labels", "predict_config", "stream_config")


def _is_there(module: str) -> bool:
    """Whether a module can be found; neither it nor a package above it is imported."""
    whole, places = "", None
    for part in module.split("."):
        whole = f"{whole}.{part}" if whole else part
        imported = sys.modules.get(whole)
        if imported is not None:
            places = getattr(imported, "__path__", None)
            continue
        try:
            # every finder is asked: packages that are installed for editing have one of their own
            found = next(filter(None, (f.find_spec(whole, places) for f in sys.meta_path)), None)
        except (ImportError, AttributeError, ValueError):
            return False
        if found is None:
            return False
        places = found.submodule_search_locations
    return True


class Registry:
    """Plugins by kind and name.

    Args:
        loaded: What was declared.
        failures: What could not be loaded.
    """

    def __init__(self, loaded: Iterable[Loaded], failures: Iterable[Failure] = ()) -> None:
        self.failures = tuple(failures)
        self._entries: list[Entry] = []
        owners: dict[tuple[str, str], list[Loaded]] = {}
        for item in loaded:
            owners.setdefault((item.spec.kind, item.spec.name), []).append(item)
        for same in owners.values():
            for item in same:
                others = [f"{o.distribution} {o.version}" for o in same if o is not item]
                self._entries.append(
                    Entry(
                        spec=item.spec,
                        distribution=item.distribution,
                        version=item.version,
                        conflict=", ".join(others),
                    )
                )

    @classmethod
    def installed(cls) -> Registry:
        """Return the registry of what is installed, or of what ``MEMCELL_LOAD_PLUGINS`` says."""
        points, selection = installed(), Selection.of_environment()
        loaded, failures = load(point for point in points if selection.takes(point))
        return cls(loaded, [*selection.missing(points), *failures])

    def with_entry(self, entry: Entry) -> Registry:
        """Return a registry that has an entry in place of the one of its kind and name."""
        changed = Registry((), self.failures)
        same = (entry.spec.kind, entry.spec.name)
        kept = [e for e in self._entries if (e.spec.kind, e.spec.name) != same]
        changed._entries = [*kept, entry]
        return changed

    def entries(self, kind: str | None = None) -> list[Entry]:
        """Return all entries, of one kind where given, ordered by kind and name."""
        chosen = [e for e in self._entries if kind is None or e.spec.kind == kind]
        return sorted(chosen, key=lambda e: (e.spec.kind, e.spec.name, e.distribution))

    def names(self, kind: str) -> list[str]:
        """Return the names of a kind."""
        return sorted({e.spec.name for e in self.entries(kind)})

    def unknown(self, kind: str | None, name: str) -> str:
        """Say that a kind (None for all) has no such name, which is near, and what was not loaded."""
        known = {e.spec.name for e in self.entries(kind)}
        broken = "".join(f" Not loaded: {failure}." for failure in self.failures)
        selection = str(Selection.of_environment())
        return (
            unknown(kind or "plugin", name, known)
            + broken
            + (f" {selection}." if selection else "")
        )

    def get(self, kind: str, name: str) -> Entry:
        """Return the entry of that name.

        Raises:
            UsageError: There is none (with the nearest name, and the plugins that failed to load).
            PluginError: Two distributions bring it.
        """
        found = [e for e in self._entries if e.spec.kind == kind and e.spec.name == name]
        if not found:
            raise UsageError(self.unknown(kind, name))
        if found[0].conflict:
            both = " and ".join(f"{e.distribution} {e.version}" for e in found)
            raise PluginError(f"{kind} '{name}' is brought by {both}; uninstall one of them.")
        return found[0]


@cache
def default_registry() -> Registry:
    """Return the registry of what is installed, read once a process."""
    return Registry.installed()


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
