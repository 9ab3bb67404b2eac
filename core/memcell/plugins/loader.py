"""Loading of plugins, each by itself, so that a broken one is named and the others work.

pluggy's own entry-point loader stops at the first failure; here every step (import, registration,
the check of hook names and arguments, and the iteration of what a hook returns) is guarded for each
plugin alone.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from memcell.errors import unknown
from memcell.plugins import hooks
from memcell.plugins.importing import watched
from memcell.plugins.specs import KINDS, Spec

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

GROUP = "memcell"
#: The distribution that brings the engine and the built-in plugins.
OWN_DISTRIBUTION = "memcell-rnn"
#: Environment variable that says which plugins are loaded.
LOAD_PLUGINS = "MEMCELL_LOAD_PLUGINS"
_SPEC_OF_KIND = {spec.kind: spec for spec in KINDS}


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A spec and where it comes from."""

    spec: Spec
    distribution: str
    version: str


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A plugin, or a part of one, that could not be loaded."""

    plugin: str
    distribution: str
    version: str
    reason: str

    def __str__(self) -> str:
        """Return one line that names plugin, distribution, version and reason."""
        return f"plugin '{self.plugin}' of {self.distribution} {self.version}: {self.reason}"


@functools.cache
def _name_and_version(distribution: Distribution) -> tuple[str, str]:
    """Return what a distribution is called; it reads its metadata, a mail, anew whenever it is asked."""
    return distribution.name, distribution.version


def _origin(point: EntryPoint, unknown: str) -> tuple[str, str]:
    """Return name and version of the distribution that an entry point is of."""
    return _name_and_version(point.dist) if point.dist else (unknown, unknown)


def installed() -> list[EntryPoint]:
    """Return the entry points of the group ``memcell``, each distribution's once."""
    # not at the top: it reads archives, mails and tables, which `import memcell` has no use for
    from importlib.metadata import entry_points

    unique: dict[tuple[str, str], EntryPoint] = {}
    for point in entry_points(group=GROUP):
        # An editable install can be found twice on the path; the first one is what gets imported.
        unique.setdefault((_origin(point, "")[0], point.name), point)
    return [unique[key] for key in sorted(unique)]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which plugins are loaded: all that is installed, or the built-in ones and those of some distributions.

    Args:
        names: Distributions whose plugins are loaded beside the built-in ones; None for all.
    """

    names: tuple[str, ...] | None = None

    @classmethod
    def of_environment(cls) -> Selection:
        """Return what ``MEMCELL_LOAD_PLUGINS`` says: distributions with commas; empty for built-ins only."""
        text = os.environ.get(LOAD_PLUGINS)
        if text is None:
            return cls()
        return cls(names=tuple(filter(None, (_canonical(word) for word in text.split(",")))))

    def takes(self, point: EntryPoint) -> bool:
        """Say whether the plugins of an entry point are loaded."""
        name = _canonical(_origin(point, "")[0])
        return self.names is None or name in (OWN_DISTRIBUTION, *self.names)

    def missing(self, points: Iterable[EntryPoint]) -> list[Failure]:
        """Return a failure for each distribution that is named and brings no plugin."""
        there = {_canonical(_origin(point, "")[0]) for point in points}
        reason = f"{LOAD_PLUGINS} names it, and no distribution of that name brings plugins"
        return [
            Failure(plugin=name, distribution=name, version="-", reason=reason)
            for name in self.names or ()
            if name not in there
        ]

    def __str__(self) -> str:
        """Return which plugins are loaded in words; empty for all."""
        if self.names is None:
            return ""
        others = f" and those of {', '.join(self.names)}" if self.names else ""
        return f"{LOAD_PLUGINS} is set: only the built-in plugins{others} are loaded"


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def load(points: Iterable[EntryPoint]) -> tuple[list[Loaded], list[Failure]]:
    """Load plugins.

    Args:
        points: Entry points, each naming a module with hook implementations.

    Returns:
        What was declared, and what failed.
    """
    loaded: list[Loaded] = []
    failures: list[Failure] = []
    for point in points:
        distribution, version = _origin(point, "unknown")

        def fail(
            reason: str, point: EntryPoint = point, d: str = distribution, v: str = version
        ) -> None:
            failures.append(Failure(plugin=point.name, distribution=d, version=v, reason=reason))

        origin = f"plugin '{point.name}' of {distribution} {version}"
        try:
            with watched(origin):
                module = point.load()
        # Third-party code may raise anything on import, SystemExit included.
        except (Exception, SystemExit) as error:
            fail(f"import failed: {_line(error)}")
            continue
        for name, answer in _answers(point.name, module, fail):
            try:
                with watched(origin):
                    items = list(answer())
            except (Exception, SystemExit) as error:
                fail(f"{name} raised {_line(error)}")
                continue
            kind = _kind_of(name)
            for item in items:
                problem = _problem(item, kind)
                if problem:
                    fail(f"{name} returned {problem}")
                else:
                    loaded.append(Loaded(spec=item, distribution=distribution, version=version))
    return loaded, failures


def _answers(plugin: str, module: Any, fail: Any) -> list[tuple[str, Any]]:
    """Register one module in a manager of its own and return its hook implementations."""
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    known = hooks.HOOK_OF_KIND.values()
    marked = {name for name in dir(module) if manager.parse_hookimpl_opts(module, name) is not None}
    for name in sorted(marked - set(known)):
        fail(unknown("hook", name, known))
    if marked - set(known):
        return []
    unmarked = [n for n in known if n not in marked and callable(getattr(module, n, None))]
    for name in unmarked:
        fail(f"{name} is not asked, since it is not marked: write @memcell.hookimpl above it")
    try:
        manager.register(module, name=plugin)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        fail(_line(error))
        return []
    answers = []
    for name in hooks.HOOK_OF_KIND.values():
        for impl in getattr(manager.hook, name).get_hookimpls():
            if impl.argnames or impl.kwargnames:
                fail(f"{name} takes arguments {impl.argnames + impl.kwargnames}; it must take none")
            else:
                answers.append((name, impl.function))
    if not answers and not isinstance(module, ModuleType):
        fail(
            f"its entry point names a {type(module).__name__}; expected the module that holds the hooks, "
            f'such as {plugin} = "my_package"'
        )
    elif not answers and not unmarked:
        fail(
            f"no hook implementation found in {module.__name__}; mark one of {', '.join(known)} "
            "with @memcell.hookimpl"
        )
    return answers


def _kind_of(hook: str) -> str:
    return next(kind for kind, name in hooks.HOOK_OF_KIND.items() if name == hook)


def _problem(item: Any, kind: str) -> str:
    expected = _SPEC_OF_KIND[kind]
    if not isinstance(item, expected):
        return f"{item!r}; expected a {expected.__name__}"
    if not item.name or not all(c.isalnum() or c in "_-" for c in item.name):
        return f"a spec named {item.name!r}; letters, digits, '-' and '_' expected"
    for role in ("factory", "config", "checker", "labels"):
        reference = getattr(item, role, None)
        if reference is not None and (not isinstance(reference, str) or reference.count(":") != 1):
            return f"'{item.name}' with {role} {reference!r}; expected the text 'module:attribute'"
    return ""


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
