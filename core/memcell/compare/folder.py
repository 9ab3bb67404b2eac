"""A comparison's folder: what it is, what is done, and whether it may be gone on with."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import tomli_w

from memcell.compare.axes import Axis
from memcell.compare.declared import OUTCOMES
from memcell.compare.fields import SECTIONS
from memcell.compare.plan import ComparisonPlan
from memcell.compare.records import LAYOUT, check_layout
from memcell.errors import MemcellError, UsageError
from memcell.files.atomic import make_folder, write_atomic
from memcell.files.reading import check_inside, read_object, refusing
from memcell.plugins.options import fields_of
from memcell.settings.run_config import upgraded
from memcell.version import __version__

#: Where the arrays of a comparison in Python lie, before anything else does.
DATA = "data"


class ComparisonFolder:
    """A comparison on disk.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plan = path / "comparison.json"
        self.base = path / "comparison.toml"
        self.runs = path / "runs"
        self.baselines = path / "baselines.json"
        self.lock = path / ".lock"

    def check_free(self) -> None:
        """Refuse a place that cannot be written or holds something else, before any work.

        Raises:
            UsageError: There is something else in it.
            MemcellError: It cannot be written.
        """
        there = self.path.absolute()
        while not there.exists():
            there = there.parent
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise MemcellError(f"cannot write to '{there}': choose another --out")
        if self.path.is_dir() and not self.plan.exists():
            names = (p.name for p in self.path.iterdir() if not p.name.startswith("."))
            other = sorted(name for name in names if name != DATA)
            if other:
                raise UsageError(
                    f"'{self.path}' holds something else ({other[0]}): choose another --out"
                )

    def read(self) -> dict[str, Any] | None:
        """Return ``comparison.json``, None where there is none.

        Raises:
            RunFolderError: It is damaged.
            DataError: It is of a newer version.
        """
        if not os.path.lexists(self.plan):
            return None
        found = read_object(self.plan)
        check_layout(found, self.path)
        with refusing(self.plan):
            _check(found)
        return {**found, "base": upgraded(found["base"])} if "base" in found else dict(found)

    def write(self, plan: ComparisonPlan, command: str) -> None:
        """Write the plan, keeping what is known of the data."""
        make_folder(self.path)
        check_inside(self.runs, self.path)
        old = self.read() or {}
        declared = {} if old and "primary" not in old else _declared(plan)
        commands = [c for c in old.get("commands", []) if c != command]
        values = {
            **old,
            "format": LAYOUT,
            "memcell": old.get("memcell", __version__),
            "app": plan.app,
            "base": plan.base,
            "axes": [{"name": a.name, "values": list(a.values)} for a in plan.axes],
            "seeds": list(plan.seeds),
            "reference": plan.reference,
            **declared,
            "declared_seeds": old.get("declared_seeds", 0 if old else len(plan.seeds)),
            "both_inferences": plan.asked.both,
            **_targets(plan, old),
            "command": command,
            "commands": [*commands, command],
        }
        # the plan first: by it a folder is known as a comparison, should the process die in between
        write_atomic(self.plan, json.dumps(values, indent=1) + "\n")
        write_atomic(self.base, tomli_w.dumps(plan.configs[0].sections()))

    def written(self) -> dict[Path, bytes]:
        """Return what `write` writes, as it is now."""
        return {path: path.read_bytes() for path in (self.plan, self.base) if path.is_file()}

    def take_back(self, before: Mapping[Path, bytes]) -> None:
        """Take back what `write` wrote, and the folder where nothing else is in it.

        Args:
            before: From `written`.
        """
        for path in (self.plan, self.base):
            if path in before:
                write_atomic(path, before[path].decode("utf-8"))
            else:
                path.unlink(missing_ok=True)
        if not before:
            with suppress(OSError):
                self.lock.unlink()
                self.path.rmdir()

    def note_data(self, facts: Mapping[str, Any]) -> None:
        """Add what only the data can say: main score, classes, notes."""
        write_atomic(self.plan, json.dumps({**(self.read() or {}), **facts}, indent=1) + "\n")


def _declared(plan: ComparisonPlan) -> dict[str, Any]:
    """Return what a comparison declares before its first run."""
    return {
        "primary": {"outcome": plan.asked.primary, "inference": plan.inference},
        "draw_data": plan.draw_data,
    }


def _targets(plan: ComparisonPlan, old: Mapping[str, Any]) -> dict[str, Any]:
    given = list(plan.asked.targets)
    if not given:
        given = list(
            old.get("target_losses") or [t for t in [old.get("target_loss")] if t is not None]
        )
    # the first stands alone as well, where a memcell before there were several looks for it
    return {"target_loss": given[0] if given else None, "target_losses": given}


def check_declared(plan: ComparisonPlan, old: Mapping[str, Any], path: Path) -> None:
    """Refuse to declare another outcome, or other data, than a comparison began with.

    Raises:
        UsageError: Says what stands there.
    """
    if not isinstance(old.get("primary"), Mapping):
        return
    asked, there = plan.asked, old["primary"].get("outcome")
    said = [f"its primary outcome is {there}, not {asked.primary}"] * (there != asked.primary)
    about = old["primary"].get("population", asked.population)
    if asked.population not in ("auto", about):
        said.append(f"it is about {about}, not {asked.population}")
    before = list(old.get("target_losses") or [])
    if there == "updates" and asked.targets and list(asked.targets) != before:
        said.append(f"its targets are {before}, not {list(asked.targets)}")
    if old.get("draw_data") != plan.draw_data:
        said.append(f"its data are drawn {old.get('draw_data')}, not {plan.draw_data}")
    if said:
        raise UsageError(
            f"'{path}' declared otherwise before its first run: {'; '.join(said)}. Type the same, or choose "
            "another --out"
        )


def gone_on_with(plan: ComparisonPlan, old: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return what all runs share, with what nobody typed as the folder has it."""
    there = _current("training", old["base"].get("training", {}))
    there = {**_defaults("training", plan.left_open), **there}
    kept = {name: there[name] for name in plan.left_open if name in there}
    return {**plan.base, "training": {**plan.base["training"], **kept}}


def _check(found: Mapping[str, Any]) -> None:
    """Raise where what a comparison goes on with is not of the types that it writes."""
    for axis in found["axes"]:
        Axis(axis["name"], tuple(axis["values"]))
        if not all(isinstance(v, str) for v in (axis["name"], *axis["values"])):
            raise ValueError("an axis has values that are no text")
    if not all(type(seed) is int and 0 <= seed < 2**63 for seed in found["seeds"]):
        raise ValueError("seeds that are no whole numbers")
    if not all(isinstance(section, dict) for section in found["base"].values()):
        raise ValueError("a section of 'base' that is no object")
    if not isinstance(found.get("commands", []), list):
        raise ValueError("'commands' is no list")
    if "primary" in found and found["primary"]["outcome"] not in OUTCOMES:
        raise ValueError("a primary outcome that is none")


def merged(
    plan: ComparisonPlan, old: Mapping[str, Any], path: Path
) -> tuple[tuple[Axis, ...], list[int]]:
    """Return the axes and seeds of a folder's comparison with those of a plan added.

    Raises:
        UsageError: It is another comparison; says what differs.
    """
    before = [Axis(a["name"], tuple(a["values"])) for a in old["axes"]]
    differ = []
    if old.get("app") != plan.app:
        differ.append(f"its app is {old.get('app')}, not {plan.app}")
    names = {a.name for a in before}
    for what, more, less in (
        ("it varies", names, {a.name for a in plan.axes}),
        ("it does not vary", {a.name for a in plan.axes}, names),
    ):
        if more - less:
            differ.append(f"{what} {', '.join(sorted(more - less))}")
    varied = names | {a.name for a in plan.axes}
    differ += _differences(old["base"], plan.base, varied | plan.left_open)
    if differ:
        raise UsageError(
            f"'{path}' holds another comparison: {'; '.join(differ)}. Choose another --out, or type the "
            f"same options to go on with it or to add seeds and values."
        )
    new = {a.name: a.values for a in plan.axes}
    axes = tuple(Axis(a.name, tuple(dict.fromkeys([*a.values, *new[a.name]]))) for a in before)
    return axes, list(dict.fromkeys([*old["seeds"], *plan.seeds]))


#: Options that change how long a run takes and not what comes out.
_NO_MATTER = {("training", "checkpoint_seconds")}


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], varied: set[str]) -> list[str]:
    found = []
    # through JSON and back, as the old one went
    new = json.loads(json.dumps(new))
    for section in sorted(set(old) | set(new)):
        b = new.get(section, {})
        a = _current(section, old.get(section, {}))
        a = {**_defaults(section, b), **a}
        for key in sorted(set(a) | set(b)):
            if a.get(key) == b.get(key) or (section, key) in _NO_MATTER:
                continue
            # what is varied in one and fixed in the other is said once, by its name
            if not varied & {key, f"{section}.{key}", section if key == "name" else key}:
                found.append(f"[{section}] {key} is {a.get(key)!r} there and {b.get(key)!r} here")
    return found


def _current(section: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of training or network by the names and words that they have now."""
    known = fields_of(SECTIONS[section]) if section in SECTIONS else ()
    former = {f.formerly: f for f in known if f.formerly}
    found = {}
    for name, value in values.items():
        field = former.get(name)
        found[name if field is None else field.name] = value if field is None else field.now(value)
    return found


def _defaults(section: str, names: Iterable[str]) -> dict[str, Any]:
    """Return the defaults of options of training or network: what an older memcell without them did."""
    known = fields_of(SECTIONS[section]) if section in SECTIONS else ()
    defaults = {f.name: f.default for f in known if f.name in names}
    return dict(json.loads(json.dumps(defaults)))
