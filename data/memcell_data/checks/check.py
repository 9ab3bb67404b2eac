"""The checker behind ``memcell data check``: the files that a path stands for, and a report on each.

Signals are looked at in `check_signal`; nights of precomputed features and the eye-state table are tried by
their own data sets. Whatever goes wrong with a file is in its report, and nothing that a header says about
the person ever is.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from memcell.applications.checking import CheckedChannel, DataFinding, FileReport
from memcell.errors import MemcellError, UsageError
from memcell_data.checks.alignment import aligned
from memcell_data.checks.between import between
from memcell_data.checks.signal import Compared, plain, report_of
from memcell_data.datasets.finding import (
    chosen,
    globbed,
    lies_beside,
    recordings_in,
    what_was_sought,
)
from memcell_data.datasets.recognise import is_eye_state, mwt_files, sleep_power_files
from memcell_data.subjects.names import named


class Check:
    """The `memcell.applications.checking.Checker` of every kind of file that this package reads.

    It is `memcell.applications.checking.Comparing` too.
    """

    def files(self, typed: str) -> list[Path]:
        """Return the recordings that a file, a folder or a glob stands for.

        Raises:
            UsageError: There is none; says what was looked for.
        """
        given = Path(typed).expanduser()
        if given.is_file() or (given.is_symlink() and not given.exists()):
            return [given]
        found = recordings_in(given)
        if given.is_dir():
            tables = [p for p in given.glob("*.csv") if is_eye_state(p)]
            found = [*found, *mwt_files(given), *sleep_power_files(given), *tables]
        else:
            found = chosen(p for p in globbed(given) if p in found or _may_be_one(p))
        if not found:
            raise UsageError(what_was_sought(given))
        return sorted(found)

    def check(
        self,
        path: Path,
        *,
        samples: bool,
        channels: Sequence[str] = (),
        unit: str = "",
        labels: str = "",
    ) -> FileReport:
        """Look into one file; see `memcell.applications.checking.Checker`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what MNE and numpy warn of is found by ourselves
            try:
                return self._report(path, samples, channels, unit, labels)
            except (MemcellError, OSError) as error:
                return FileReport(path=path, refused=plain(path, str(error)))
            except Exception as error:  # one strange file must not end the check of ten thousand
                reason = f"cannot be read ({type(error).__name__})"
                return FileReport(path=path, refused=reason)

    def compare(self, reports: Sequence[FileReport]) -> list[DataFinding]:
        """Return what differs between recordings; see `memcell.applications.checking.Comparing`."""
        kept = [r for r in reports if isinstance(r.compared, Compared) and not r.refused]
        if len(kept) < 2:
            return []
        subjects = named([r.path for r in kept]).subjects
        summaries = [
            replace(r.compared.summary, name=r.path.name, subject=subject)
            for r, subject in zip(kept, subjects, strict=True)
            if r.compared.summary is not None
        ]
        covers = [r.compared.cover for r in kept if r.compared.cover is not None]
        return [*aligned(covers), *between(summaries, gain_matters=False)]

    def _report(
        self, path: Path, samples: bool, channels: Sequence[str], unit: str, labels: str
    ) -> FileReport:
        if sleep_power_files(path):
            return _night(path, samples)
        if is_eye_state(path):
            return _eye_state(path, samples)
        return report_of(path, samples=samples, requested=channels, unit=unit, labels=labels)


def _may_be_one(path: Path) -> bool:
    """Whether a file that a pattern matches is meant as a recording and not as what lies beside one."""
    return path.is_file() and (not lies_beside(path) or is_eye_state(path))


def _night(path: Path, samples: bool) -> FileReport:
    from memcell_data.datasets.sleep_powers import open_night

    night = open_night(path)
    features = night.features() if samples and night.features else None
    labels = night.labels()
    at = (
        []
        if features is None
        else [(features.times[b - 1], features.times[b]) for b in features.breaks]
    )
    step = 0.0 if features is None else features.step_seconds
    return FileReport(
        path=path,
        format="band powers",
        # of the powers: the hypnogram goes on to the end of the day it was begun on
        seconds=None if features is None else float(features.times[-1]) + step,
        gaps=tuple((float(a) + step, float(b - a) - step) for a, b in at),
        annotations=Counter(i.label for i in labels.intervals) if labels else {},
        findings=tuple(plain(path, w) for w in (features.warnings if features else ())),
        samples_read=samples,
    )


def _eye_state(path: Path, samples: bool) -> FileReport:
    from memcell_data.datasets.configs import EyeStateConfig
    from memcell_data.datasets.eye_state import EyeState

    (recording,) = EyeState(EyeStateConfig(path=str(path))).recordings()
    signal = recording.read([c.name for c in recording.channels]) if samples else None
    found = [] if signal is None else [plain(path, w) for w in signal.warnings]
    if signal is not None and not np.isfinite(signal.values).all():
        found.append("has values that are no numbers")
    labels = recording.labels()
    return FileReport(
        path=path,
        format="table (eye-state)",
        channels=tuple(
            CheckedChannel(name=c.name, kind=c.kind, unit="uV", rate=c.rate)
            for c in recording.channels
        ),
        seconds=recording.duration,
        annotations=Counter(i.label for i in labels.intervals) if labels else {},
        findings=tuple(found),
        samples_read=samples,
    )
