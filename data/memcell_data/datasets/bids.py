"""The data set ``bids``: EEG recordings in a folder organised as BIDS, found and paired through mne-bids.

mne-bids knows the entities in the names and finds the tables that belong to a recording wherever the standard
lets them lie (labels in ``events.tsv``, channels in ``channels.tsv``, inherited from folders above). The
samples are read and checked as everybody's. Without mne-bids the folder is read as the data set ``own``
reads it: tables beside each recording, no entities to choose by.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from memcell.applications.datasets import Card
from memcell.errors import ConfigError, DataError
from memcell_data.content import first_bytes
from memcell_data.datasets.configs import BidsConfig, UserRecordingsConfig
from memcell_data.datasets.finding import NOT_RAW, below, chosen
from memcell_data.datasets.user_recordings import UserRecordings
from memcell_data.formats.reader import is_recording, open_recording, stem
from memcell_data.labels.reading import FileLabels, Rule, read_labels
from memcell_data.labels.vocabulary import label_notes, rule_for
from memcell_data.recording import Labels, Recording
from memcell_data.subjects.people import read_subjects, subject_question
from memcell_data.tables.bids import channel_table_of, read_channels, read_participants, sidecar_of

_DESCRIPTION = "dataset_description.json"
_INSTALL = "pip install 'memcell-rnn[bids]'"
_ENTITIES = ("tasks", "sessions", "runs", "acquisitions")
_SHORT = {"tasks": "task", "sessions": "ses", "runs": "run", "acquisitions": "acq"}


@dataclass
class Bids:
    """EEG recordings of a BIDS folder.

    Args:
        config: Where it is, which of its recordings, and what their labels mean.
        problems: What could not be used or is missing, with the reason; filled by `recordings`.
        refused: Recordings that cannot be read; filled by `recordings`.
        notes: What must be said of how labels became classes; filled when labels are read.
        doubt: What a split by subject has to ask first, with what to type; empty where nothing is open.
            Filled by `recordings`.
    """

    config: BidsConfig
    problems: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    doubt: str = ""
    _people: list[str] = field(default_factory=list, repr=False)

    @property
    def card(self) -> Card:
        """The card of the data set."""
        return Card(
            name="bids",
            title="A BIDS data set of EEG",
            source="a folder on this machine",
            licence=f"as its {_DESCRIPTION} says",
            citation=f"as its {_DESCRIPTION} says; Pernet et al. 2019, doi:10.1038/s41597-019-0104-8",
        )

    def get(self, folder: Path | None = None) -> Path:
        """Return the folder; there is nothing to fetch.

        Raises:
            ConfigError: No path was given.
            DataError: It is no BIDS folder.
        """
        if not self.config.path:
            raise ConfigError(
                "'path' is empty: say where the BIDS folder is with --data.path FOLDER"
            )
        root = Path(self.config.path).expanduser()
        if not (root / _DESCRIPTION).is_file():
            raise DataError(
                f"{root}: has no {_DESCRIPTION}, so it is no BIDS folder; type --data own"
            )
        return root

    def recordings(self) -> Sequence[Recording]:
        """Return the recordings that can be used; the others are named in ``problems``.

        Raises:
            DataError: There is none, or entities were asked for and mne-bids is not installed.
        """
        root = self.get()
        self.problems.clear()
        self.refused.clear()
        if find_spec("mne_bids") is None:
            return self._without_mne_bids()
        found = []
        for path in self._not_fetched():
            try:
                first_bytes(path)
            except DataError as error:
                self.problems.append(str(error))
                self.refused.append(str(error))
        for bids_path, path in self._paths:
            try:
                found.append(self._open(bids_path, path))
            except DataError as error:
                self.problems.append(str(error))
                self.refused.append(str(error))
        if not found:
            more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
            raise DataError(f"no recording can be used: {self.problems[0]}{more}")
        self._compare(read_participants(root), {r.subject for r in found})
        c = self.config
        if c.subjects:
            paths = [r.path for r in found if r.path is not None]
            listed = read_subjects(Path(c.subjects).expanduser(), paths)
            found = [replace(r, subject=s) for r, s in zip(found, listed, strict=True)]
        self.doubt, self._people = subject_question(
            found,
            None,
            subjects_given=bool(c.subjects),
            different=c.different_people,
            by_pattern=False,
        )
        return found

    @cached_property
    def rule(self) -> Rule:
        """Which labels mean what; see `memcell_data.labels.vocabulary.rule_for`."""
        vocabulary: Counter[str] = Counter()
        for _, path in self._paths:
            try:
                intervals, _ = read_labels(path, sidecar_of(path, "events.tsv"))
            except DataError:
                continue  # said when this recording's own labels are asked for
            vocabulary.update(i.label for i in intervals)
        c = self.config
        rule = rule_for(c.path, vocabulary, c.positive, c.negative, c.background, c.mark_duration)
        self.notes[:] = [*self._people, *label_notes(rule, vocabulary)]
        return rule

    @cached_property
    def _paths(self) -> list[tuple[Any, Path]]:
        """All recordings that are asked for, each as mne-bids knows it and as a path."""
        from mne_bids import find_matching_paths

        root, c = self.get(), self.config
        entities: dict[str, list[str]] = {
            name: list(value) for name in _ENTITIES if (value := getattr(c, name))
        }
        try:
            matching = find_matching_paths(root, datatypes="eeg", suffixes="eeg", **entities)
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise DataError(f"{root}: mne-bids cannot list its recordings: {reason}") from error
        found = [(b, p) for b in matching if is_recording(p := Path(b.fpath)) and _is_raw(root, p)]
        if not found and (links := self._not_fetched()):
            first_bytes(links[0])  # says that its content was not fetched
        if not found:
            filters = ", ".join(f"{name} {' '.join(words)}" for name, words in entities.items())
            raise DataError(
                f"{root}: there is no EEG recording in it{f' of {filters}' if filters else ''}; looked for "
                "sub-*/[ses-*/]eeg/*_eeg.edf, .bdf, .vhdr or .set"
            )
        kept = set(chosen(path for _, path in found))
        return sorted((pair for pair in found if pair[1] in kept), key=lambda pair: pair[1])

    def _not_fetched(self) -> list[Path]:
        """Return the recordings that are links without content, which mne-bids passes over."""
        entities = {name: getattr(self.config, name) for name in _ENTITIES}
        return sorted(
            path
            for path in below(self.get())
            if path.is_symlink()
            and not path.exists()
            and is_recording(path)
            and stem(path).endswith("_eeg")
            and all(
                not words or any(f"_{_SHORT[name]}-{w}_" in path.name for w in words)
                for name, words in entities.items()
            )
        )

    def _open(self, bids_path: Any, path: Path) -> Recording:
        events, table = sidecar_of(path, "events.tsv"), channel_table_of(path)
        if table is not None:
            read_channels(table)  # one that cannot be read is named
        return open_recording(
            path,
            name=stem(path).removesuffix("_eeg"),
            subject=f"sub-{bids_path.subject}",
            dataset="bids",
            labels=BidsLabels(self, path, events),
            unit=self.config.unit,
            also=[events] if events else [],
        )

    def _without_mne_bids(self) -> Sequence[Recording]:
        c = self.config
        entities = [name for name in _ENTITIES if getattr(c, name)]
        if entities:
            raise DataError(
                f"--data.{entities[0]} chooses by BIDS entities, which needs mne-bids: {_INSTALL}"
            )
        own = UserRecordings(
            UserRecordingsConfig(
                path=c.path,
                positive=c.positive,
                negative=c.negative,
                background=c.background,
                mark_duration=c.mark_duration,
                subjects=c.subjects,
                different_people=c.different_people,
                unit=c.unit,
            )
        )
        own.notes = self.notes
        found = own.recordings()
        self.problems += own.problems
        self.refused += own.problems
        self.doubt = own.doubt
        self.problems.append(
            f"{c.path}: read without mne-bids, so only tables beside a recording are used; {_INSTALL}"
        )
        return found

    def _compare(self, listed: Sequence[str], found: set[str]) -> None:
        """Say who is listed and was not recorded, and the other way round."""
        if not listed:
            return
        for subject in sorted(set(listed) - found):
            self.problems.append(f"participants.tsv lists {subject}, of whom no recording is used")
        for subject in sorted(found - set(listed)):
            self.problems.append(f"{subject} is not in participants.tsv, but is used")


@dataclass(frozen=True)
class BidsLabels:
    """The labels of one recording, under the rule of its data set."""

    dataset: Bids
    path: Path
    events: Path | None

    def __call__(self) -> Labels | None:
        """Return the labels, or None where the recording has none."""
        return FileLabels(recording=self.path, rule=self.dataset.rule, source=self.events)()


def _is_raw(root: Path, path: Path) -> bool:
    """Whether a recording is the data set's own and not derived from one, where mne-bids looks too."""
    below_root = os.path.relpath(path.absolute(), root.absolute())
    return Path(below_root).parts[0] not in NOT_RAW
