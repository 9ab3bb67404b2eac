"""The label tool behind ``memcell labels`` and ``memcell review``."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from memcell.applications.labels import (
    Agreement,
    LabelOptions,
    LabelsWritten,
    ReviewRequest,
)
from memcell.errors import DataError, MemcellError, UsageError, unknown
from memcell_data.labelling.sources import (
    LabelSource,
    find_labels,
    is_predicted,
    key_of,
    read_source,
)
from memcell_data.labels.agreement import Rated, agreement, common_step, overlapping
from memcell_data.labels.hypnogram import USUAL
from memcell_data.labels.writing import FORMATS, Format, Placed


class Labelling:
    """Converts, compares and corrects label files; a `memcell.applications.labels.LabelTool`."""

    @property
    def formats(self) -> Mapping[str, str]:
        """What labels can be converted to."""
        return {name: kind.summary for name, kind in FORMATS.items()}

    def convert(
        self, typed: Sequence[str], to: str, out: str, options: LabelOptions
    ) -> Iterator[LabelsWritten]:
        """Write label files anew; see `memcell.applications.labels.LabelTool`."""
        if to not in FORMATS:
            raise UsageError(f"--to: {unknown('format', to, FORMATS)}")
        sources: list[LabelSource] = []
        said: list[str] = []
        for word in typed:
            found, notes = find_labels(word, options)
            sources += found
            said += notes
        paths = _outputs(sources, FORMATS[to], out)
        for k, (source, path) in enumerate(zip(sources, paths, strict=True)):
            notes = said if k == 0 else []
            with _quiet():
                yield _converted(source, path, FORMATS[to], options, notes)

    def compare(
        self, a: str, b: str, options: LabelOptions, step: float, background: str
    ) -> Agreement:
        """Hold two people's labels against each other; see `memcell.applications.labels.LabelTool`."""
        with _quiet():
            return _compared(a, b, options, step, background)

    def review(self, request: ReviewRequest) -> Iterator[LabelsWritten]:
        """Let a person correct what was found; see `memcell.applications.labels.LabelTool`."""
        from memcell_data.labelling.review import review

        yield from review(request)


def _outputs(sources: Sequence[LabelSource], kind: Format, out: str) -> list[Path]:
    """Return where each file goes.

    Raises:
        UsageError: Two would have one name, or ``--out`` is one file for several.
    """
    given = Path(out).expanduser() if out else None
    if given is not None and not given.is_dir() and given.suffix:
        if len(sources) > 1:
            raise UsageError(f"--out '{out}' is one file for {len(sources)}; type a folder")
        return [given]
    paths = [(given or s.path.parent) / f"{s.name}{kind.ending}" for s in sources]
    twice = next((p for p in paths if paths.count(p) > 1), None)
    if twice is not None:
        both = " and ".join(str(s.path) for s, p in zip(sources, paths, strict=True) if p == twice)
        raise UsageError(
            f"{both} would both become '{twice.name}': convert them one by one with --out"
        )
    return paths


def _converted(
    source: LabelSource, path: Path, kind: Format, options: LabelOptions, said: Sequence[str]
) -> LabelsWritten:
    called = source.name if "_desc-" in source.path.name else ""
    if path.resolve() == source.path.resolve():
        reason = f"'{path}' is what is converted; type another --out"
        return LabelsWritten(source=source.path, called=called, refused=reason)
    if path.exists() and not options.overwrite:
        reason = f"'{path}' is there already; type --overwrite, or another --out"
        return LabelsWritten(source=source.path, called=called, refused=reason)
    try:
        read = read_source(source, options)
        placed = Placed(
            labels=read.labels,
            clock=read.clock,
            gaps=read.gaps,
            epoch=options.epoch or USUAL,
            predicted=is_predicted(source),
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        notes = kind.write(path, placed)
    except MemcellError as error:
        return LabelsWritten(
            source=source.path, called=called, notes=tuple(said), refused=error.text
        )
    return LabelsWritten(
        source=source.path,
        called=called,
        path=path,
        labels=len(read.labels),
        notes=(*said, *read.notes, *notes),
    )


def _compared(a: str, b: str, options: LabelOptions, step: float, background: str) -> Agreement:
    (of_a, said_a), (of_b, said_b) = (find_labels(word, options) for word in (a, b))
    pairs, alone = _pairs(a, b, of_a, of_b)
    failed: list[str] = []
    notes = [*said_a, *said_b]
    rated = []
    for one, other in pairs:
        try:
            first, second = read_source(one, options), read_source(other, options)
        except DataError as error:
            failed.append(str(error))
            continue
        notes += [*first.notes, *second.notes]
        for who, read in ((one, first), (other, second)):
            if n := overlapping(read.labels):
                notes.append(
                    f"{who.path.name}: {n} labels overlap another class; a step has the one that covers most"
                )
        ends = [i.onset + i.duration for i in (*first.labels, *second.labels)]
        seconds = first.clock.seconds or second.clock.seconds or max(ends, default=0.0)
        if not first.clock.seconds and not second.clock.seconds:
            notes.append(
                f"{one.name}: its recording is not at hand, so time ends with the last label"
            )
        rated.append(Rated(name=one.name, a=first.labels, b=second.labels, seconds=seconds))
    missing = [*failed, *alone]
    if not rated:
        raise UsageError(
            f"nothing can be compared: {missing[0] if missing else 'no file has a partner'}"
        )
    step = step or common_step(rated)
    return Agreement(
        rows=tuple(agreement(rated, step, background)),
        step=step,
        notes=tuple(dict.fromkeys(notes)),
        alone=tuple(alone),
        failed=tuple(failed),
    )


def _pairs(
    a: str, b: str, of_a: Sequence[LabelSource], of_b: Sequence[LabelSource]
) -> tuple[list[tuple[LabelSource, LabelSource]], list[str]]:
    """Return label files of the same recording, and what has no partner."""
    if Path(a).expanduser().is_file() and Path(b).expanduser().is_file():
        return [(of_a[0], of_b[0])], []
    by_name = {key_of(s.name): s for s in of_b}
    pairs = [(s, by_name[key_of(s.name)]) for s in of_a if key_of(s.name) in by_name]
    matched = {key_of(s.name) for s, _ in pairs}
    alone = [(s, b) for s in of_a if key_of(s.name) not in matched]
    alone += [(s, a) for s in of_b if key_of(s.name) not in matched]
    return pairs, [f"{s.name}: it has no label file in {where}" for s, where in alone]


@contextmanager
def _quiet() -> Iterator[None]:
    """While entered, what libraries warn of is not shown; what matters is found by ourselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
