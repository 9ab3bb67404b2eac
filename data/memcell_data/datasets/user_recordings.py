"""The data set ``own``: a person's own recordings and labels, from a file, a folder, a glob or a BIDS set."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from memcell.applications.datasets import Card
from memcell.errors import ConfigError, DataError
from memcell_data.datasets.configs import UserRecordingsConfig
from memcell_data.datasets.finding import (
    FolderListing,
    label_file_beside,
    label_files_beside,
    recordings_in,
    what_was_sought,
)
from memcell_data.formats.reader import open_recording, stem
from memcell_data.labels.hypnogram import Epochs
from memcell_data.labels.predicted import was_predicted
from memcell_data.labels.reading import FileLabels, Rule, read_labels
from memcell_data.labels.vocabulary import label_notes, rule_for
from memcell_data.recording import Labels, Recording
from memcell_data.subjects.names import named
from memcell_data.subjects.people import read_subjects, subject_question


@dataclass
class UserRecordings:
    """A person's own recordings.

    Args:
        config: Where they are and what their labels mean.
        problems: Files that could not be used, with the reason; filled by `recordings`.
        refused: Those of them that are recordings which cannot be read.
        notes: What must be said of how labels became classes; filled when labels are read.
        doubt: What a split by subject has to ask first, with what to type; empty where nothing is open.
            Filled by `recordings`.
    """

    config: UserRecordingsConfig
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    doubt: str = ""
    _people: list[str] = field(default_factory=list, repr=False)

    @property
    def refused(self) -> list[str]:
        """The recordings that cannot be read."""
        return self.problems

    @property
    def card(self) -> Card:
        """The card of the data set."""
        return Card(
            name="own",
            title="Your own recordings",
            source="this machine",
            licence="yours to know",
            citation="yours to know",
        )

    def get(self, folder: Path | None = None) -> Path:
        """Return where the recordings are; there is nothing to fetch.

        Raises:
            DataError: There is nothing at ``path``.
        """
        first = self._paths()[0]
        given = Path(self.config.path).expanduser()
        return given if given.is_dir() else first.parent

    def recordings(self) -> Sequence[Recording]:
        """Return the recordings that can be used; the others are named in ``problems``.

        Raises:
            ConfigError: No path was given, or the subject pattern is no regular expression.
            DataError: Nothing was found, or nothing of it can be used.
        """
        paths = self._paths()
        names = _unique_names(paths)
        subjects = self._subjects(paths)
        self.problems.clear()
        found, listing = [], FolderListing()
        for path, name, subject in zip(paths, names, subjects, strict=True):
            try:
                source = self._label_source(path, listing)
                found.append(
                    open_recording(
                        path,
                        name=name,
                        subject=subject,
                        labels=OwnLabels(self, path, source),
                        unit=self.config.unit,
                        also=[source] if source else [],
                    )
                )
            except DataError as error:
                self.problems.append(str(error))
        if not found:
            more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
            raise DataError(f"no recording can be used: {self.problems[0]}{more}")
        self.doubt, self._people = self._subject_question(found)
        self._people += self._beside(paths, listing)
        return found

    def _beside(self, paths: Sequence[Path], listing: FolderListing) -> list[str]:
        """Return what must be said of label files: several for one recording, none, or a detector's own."""
        several, predicted, without = [], [], []
        given = Path(self.config.labels).expanduser() if self.config.labels else None
        for path in paths:
            try:
                source = self._label_source(path, listing)
            except DataError:
                continue  # said of this recording itself
            if given is None or given.is_dir():
                files = label_files_beside(path, given or path.parent, listing)
                if len(files) > 1:
                    several.append(f"{files[0].name} and not {files[1].name}")
            if source is None and given is not None:
                without.append(path.name)
            elif was_predicted(source or path):
                predicted.append((source or path).name)
        where = given.name if given is not None else ""
        return [
            f"{reason} {_few(names)}"
            for reason, names in (
                ("several label files beside a recording; read", several),
                ("labels that memcell predicted and nobody corrected:", predicted),
                (f"no label file in '{where}', and so no labels, of", without),
            )
            if names
        ]

    def _subjects(self, paths: Sequence[Path]) -> Sequence[str]:
        c = self.config
        if c.subjects and c.subject_pattern:
            raise ConfigError(
                "'subjects' and 'subject-pattern' both say who is who: leave out one of them"
            )
        if c.subjects:
            return read_subjects(Path(c.subjects).expanduser(), paths)
        pattern = self._pattern()
        if pattern is not None:
            return [_matched(path, pattern) for path in paths]
        return named(paths).subjects

    def _subject_question(self, found: Sequence[Recording]) -> tuple[str, list[str]]:
        """Return what has to be asked of who is who, and what headers say otherwise."""
        c = self.config
        subjects_given = bool(c.subjects or c.subject_pattern)
        names = None if subjects_given else named([r.path for r in found if r.path is not None])
        return subject_question(
            found,
            names,
            subjects_given=subjects_given,
            different=c.different_people,
            by_pattern=True,
        )

    @property
    def epochs(self) -> Epochs:
        """What a person says of hypnograms."""
        return Epochs(seconds=self.config.epoch, numbers=self.config.hypnogram)

    @cached_property
    def rule(self) -> Rule:
        """Which labels mean what.

        Raises:
            DataError: No positive label was given and none is called 'microsleep', or one was given
                that does not occur.
        """
        # Looked at once and only when labels are asked for: predicting needs none.
        c = self.config
        found = self._vocabulary()
        rule = rule_for(c.path, found, c.positive, c.negative, c.background, c.mark_duration)
        self.notes[:] = [*self._people, *label_notes(rule, found)]
        return rule

    def _vocabulary(self) -> Counter[str]:
        found: Counter[str] = Counter()
        listing = FolderListing()
        matched = False
        for path in self._paths():
            try:
                source = self._label_source(path, listing)
                if source is None and self.config.labels:
                    continue
                matched = True
                intervals, _ = read_labels(path, source, self.epochs)
            except DataError:
                matched = True
                continue  # said when this recording's own labels are asked for
            found.update(i.label for i in intervals)
        if not matched:
            first = stem(self._paths()[0])
            raise DataError(
                f"{self.config.labels}: no label file in it is named like a recording ({first}_events.tsv, "
                f"{first}.csv, {first}_annotations.xml, ...)"
            )
        return found

    def _paths(self) -> list[Path]:
        if not self.config.path:
            raise ConfigError(
                "'path' is empty: say where your recordings are with --data.path PATH"
            )
        given = Path(self.config.path).expanduser()
        found = recordings_in(given)
        if not found:
            raise DataError(what_was_sought(given))
        return found

    def _label_source(self, path: Path, listing: FolderListing) -> Path | None:
        """Return the label file of a recording, or None for the annotations inside it."""
        if not self.config.labels:
            return label_file_beside(path, path.parent, listing)
        given = Path(self.config.labels).expanduser()
        if given.is_dir():
            return label_file_beside(path, given, listing)
        if not given.is_file() and not given.is_symlink():
            raise DataError(f"{given}: there is no such label file (--data.labels)")
        if len(self._paths()) > 1:
            raise DataError(
                f"{given}: one label file for {len(self._paths())} recordings; give a folder of label "
                "files named like the recordings (--data.labels FOLDER)"
            )
        return given

    def _pattern(self) -> re.Pattern[str] | None:
        if not self.config.subject_pattern:
            return None
        try:
            pattern = re.compile(self.config.subject_pattern)
        except re.error as error:
            raise ConfigError(
                f"'subject-pattern' got {self.config.subject_pattern!r}: {error}"
            ) from error
        if pattern.groups < 1:
            raise ConfigError(
                f"'subject-pattern' got {self.config.subject_pattern!r}; expected a group in brackets "
                "that is the subject, such as 'night_(.*)_'"
            )
        return pattern


def _matched(path: Path, pattern: re.Pattern[str]) -> str:
    match = pattern.search(path.as_posix())
    if match is None or not match[1]:
        raise DataError(f"{path}: no subject found by --data.subject-pattern {pattern.pattern!r}")
    return match[1]


def _few(names: Sequence[str]) -> str:
    more = f" (and {len(names) - 3} more)" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"


@dataclass(frozen=True)
class OwnLabels:
    """The labels of one recording, under the rule of its data set."""

    dataset: UserRecordings
    path: Path
    source: Path | None

    def __call__(self) -> Labels | None:
        """Return the labels, or None where the recording has none."""
        rule = self.dataset.rule
        if self.source is None and self.dataset.config.labels:
            return (
                None  # who names a folder of labels means these, and not what the recorder marked
            )
        epochs = self.dataset.epochs
        return FileLabels(recording=self.path, rule=rule, source=self.source, epochs=epochs)()


def _unique_names(paths: Sequence[Path]) -> list[str]:
    """Return file names without extension; where two are equal, with the folders below the common one."""
    names = [stem(p) for p in paths]
    if len(set(names)) == len(names):
        return names
    common = Path(os.path.commonpath([p.parent.resolve() for p in paths]))
    below = [p.resolve().parent.relative_to(common).parts for p in paths]
    names = ["_".join([*folders, stem(p)]) for folders, p in zip(below, paths, strict=True)]
    if len(set(names)) == len(names):
        return names
    return ["_".join([*folders, p.name]) for folders, p in zip(below, paths, strict=True)]
