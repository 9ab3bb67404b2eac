"""The run folder: what a run leaves behind, under names that do not change.

``config.toml`` (resolved, loadable), ``metrics.jsonl``, ``checkpoint.safetensors`` (to go on from),
``model.safetensors`` (the best weights, to predict with), ``init.safetensors`` (the model that training
went on from, where it did), ``environment.json``, ``scores.tsv`` and ``scores.json``, ``timeline.png``, and
a folder ``control-POLICY`` for the control run.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import tomli_w

from memcell.errors import CheckpointError, MemcellError, RunFolderError, UsageError
from memcell.files.atomic import make_folder, write_atomic
from memcell.files.reading import (
    MOST_LINES,
    MOST_WEIGHTS,
    check_inside,
    open_plain,
    read_bytes,
    read_object,
    read_toml,
    refusing,
)
from memcell.plugins import Registry
from memcell.settings.run_config import RunConfig, has_folder, resolve
from memcell.version import __version__

#: Version of the folder's layout. A larger one than ours is refused by name.
FORMAT = 1
#: Where the folds of a run that holds each subject out once lie.
FOLDS = "folds"
#: What the name of a control run's folder begins with; in version 0.1 with the second.
CONTROL_PREFIXES = ("control-", "against-")
_LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "mne", "safetensors", "matplotlib")


class RunFolder:
    """One run on disk.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.toml"
        self.metrics = path / "metrics.jsonl"
        self._lines = _Lines(self.metrics)
        self.probes = path / "probes.jsonl"
        self.checkpoint = path / "checkpoint.safetensors"
        self.model = path / "model.safetensors"
        self.source = path / "init.safetensors"
        self.environment = path / "environment.json"
        self.folds = path / f"{FOLDS}.json"

    @classmethod
    def check_free(cls, path: Path) -> None:
        """Refuse a folder that a new run cannot be written to, before any work is done.

        Raises:
            UsageError: A run is there already.
            MemcellError: The folder cannot be written.
        """
        if os.path.lexists(cls(path).config):
            raise UsageError(
                f"'{path}' already holds a run: choose another --out, or go on with --resume {path}"
            )
        there = path.absolute()
        while not there.exists():
            there = there.parent
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise MemcellError(f"cannot write to '{there}': choose another --out")

    @classmethod
    def create(cls, path: Path, config: RunConfig, registry: Registry, device: str) -> RunFolder:
        """Make the folder and write what is known before training.

        Raises:
            UsageError: A run is there already.
            MemcellError: It cannot be written.
        """
        cls.check_free(path)
        folder = cls(path)
        make_folder(path)
        write_atomic(
            folder.environment, json.dumps(_environment(config, registry, device), indent=2)
        )
        write_atomic(folder.metrics, "")
        if config.init is not None and config.init.file is not None:
            write_atomic(folder.source, read_bytes(config.init.file, MOST_WEIGHTS))
        write_atomic(folder.config, tomli_w.dumps(config.sections()))
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open an existing run.

        Raises:
            CheckpointError: It is not a run folder, or one of a newer version.
        RunFolderError: A file of it cannot be read.
        """
        folder = cls(path)
        if not os.path.lexists(folder.config):
            raise CheckpointError(f"'{path}' is not a run folder: it has no config.toml")
        environment = read_object(folder.environment)
        with refusing(folder.environment):
            found = int(environment["format"])
        if found > FORMAT:
            made_by = environment.get("memcell", "a newer version")
            raise CheckpointError(
                f"run '{path}' was made by memcell {made_by} (layout {found}); this is memcell "
                f"{__version__} (layout {FORMAT}): update memcell to use it"
            )
        return folder

    def check_one_network(self) -> None:
        """Refuse a run that has a network for each fold where one is wanted.

        Raises:
            UsageError: Names the folds' folders.
        """
        if not os.path.lexists(self.folds):
            return
        found = read_object(self.folds)
        with refusing(self.folds):
            folders = list(map(str, found["folders"]))
        raise UsageError(
            f"run '{self.path}' leaves one subject out and has a network for each: "
            f"{train_on_everybody(self.path)}name one of them: "
            f"{', '.join(str(self.path / name) for name in folders)}"
        )

    def sections(self) -> dict[str, Any]:
        """Return the sections of its config."""
        return read_toml(self.config)

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a line to ``metrics.jsonl``; the system has it when this returns."""
        self._lines.add(json.dumps(record))

    def metrics_size(self) -> int:
        """Return the bytes of ``metrics.jsonl``, all of them on the disk."""
        self._lines.close()
        return _size(self.metrics)

    def cut_metrics(self, size: int) -> None:
        """Forget the lines written after a checkpoint, so that a resumed run writes them once."""
        self._lines.close()
        _cut(self.metrics, size)

    def append_probe(self, record: Mapping[str, Any]) -> None:
        """Add a line to ``probes.jsonl``."""
        _append(self.probes, json.dumps(record, allow_nan=False))

    def probes_size(self) -> int:
        """Return the bytes of ``probes.jsonl``, all of them on the disk."""
        return _size(self.probes)

    def cut_probes(self, size: int) -> None:
        """Forget the probes' lines written after a checkpoint; makes no file where there is none."""
        if size or os.path.lexists(self.probes):
            _cut(self.probes, size)

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file into the folder."""
        write_atomic(self.path / name, json.dumps(value, indent=2) + "\n")

    def control(self, policy: str) -> Path:
        """Return the folder of the control run with a policy, there or not.

        Raises:
            RunFolderError: It is a link that leads out.
        """
        new, old = (self.below(f"{prefix}{policy}") for prefix in CONTROL_PREFIXES)
        return old if old.is_dir() and not new.is_dir() else new

    def below(self, name: str) -> Path:
        """Return a folder below this one, there or not.

        Raises:
            RunFolderError: It is a link that leads out.
        """
        return check_inside(self.path / name, self.path)


def train_on_everybody(path: Path) -> str:
    """Return what to type for one network of everybody where a run has one for each fold, and ``or``."""
    folder = RunFolder(path)
    app = folder.sections().get("app", "APP") if os.path.lexists(folder.config) else "APP"
    return f"train one on everybody with 'memcell train {app} --resume {path} --final', or "


def resolve_stored(folder: RunFolder, app: str, registry: Registry) -> RunConfig:
    """Return the config of a run that may be somebody else's: it has no say in where this machine writes.

    Raises:
        RunFolderError: It cannot be used; names the file and what is wrong in it.
    """
    sections = folder.sections()
    with refusing(folder.config):
        config = resolve(app, sections, registry)
        stored = getattr(config.app_config, "stored", None)
        if stored is not None:
            config = dataclasses.replace(config, app_config=stored())
        beside = getattr(config.app_config, "beside", None)
        if beside is not None:  # data that lies in a folder of the run moves with it
            config = dataclasses.replace(config, app_config=beside(folder.path))
    if config.init is not None:
        config = dataclasses.replace(
            config, init=dataclasses.replace(config.init, file=folder.source)
        )
    return config


def with_data(config: RunConfig, data: str | Path) -> RunConfig:
    """Return the config of a run whose data lies elsewhere now.

    Raises:
        UsageError: Its app has no folder of its own data.
    """
    if not has_folder(config.app_config):
        raise UsageError(
            f"a run of {config.app} goes on with the data that it was begun with: leave out the data"
        )
    data = Path(data).expanduser().absolute()
    return dataclasses.replace(config, app_config=dataclasses.replace(config.app_config, data=data))


def open_run(app: str, path: Path, registry: Registry) -> tuple[RunFolder, RunConfig]:
    """Return a run folder and its config.

    Raises:
        UsageError: The run belongs to another app, or has a network for each fold.
        CheckpointError: It is not a run.
    """
    folder = RunFolder.open(path)
    sections = folder.sections()
    if sections.get("app") != app:
        raise UsageError(f"run '{path}' is of app '{sections.get('app')}', not '{app}'")
    folder.check_one_network()
    return folder, resolve_stored(folder, app, registry)


def _grown(path: Path) -> IO[bytes]:
    """Open a file to add to it: a plain file of this folder, and no other name of another file."""
    handle = open_plain(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    if os.fstat(handle).st_nlink > 1:
        # a backup by hard links, or somebody's trick: what is added here must not appear there
        os.close(handle)
        write_atomic(path, read_bytes(path, MOST_LINES))
        handle = open_plain(path, os.O_RDWR | os.O_APPEND)
    return os.fdopen(handle, "ab")


def _append(path: Path, line: str) -> None:
    lines = _Lines(path)
    try:
        lines.add(line)
    finally:
        lines.close()


class _Lines:
    """A file that lines are added to, kept open from one to the next while it is what it was.

    Nothing waits in this process: a run that is killed has lost no line.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        #: Device and number of the open file.
        self._place = (0, 0)

    def add(self, line: str) -> None:
        """Add a line.

        Raises:
            MemcellError: It cannot be written.
        """
        try:
            if self._file is None or not self._stands():
                self.close()
                self._file = _grown(self._path)
                opened = os.fstat(self._file.fileno())
                self._place = (opened.st_dev, opened.st_ino)
            self._file.write(line.encode() + b"\n")
            self._file.flush()
        except OSError as error:
            # what could not be written must not be tried again when the file is closed
            self._drop()
            raise MemcellError(f"cannot write '{self._path}': {error.strerror}") from error

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _drop(self) -> None:
        with suppress(OSError):
            self.close()
        self._file = None

    def _stands(self) -> bool:
        """Whether the path still leads to the open file, and no other name does."""
        try:
            here = os.lstat(self._path)
        except OSError:
            return False
        return (here.st_dev, here.st_ino) == self._place and here.st_nlink == 1

    def __reduce__(self) -> tuple[type[_Lines], tuple[Path]]:
        return _Lines, (self._path,)


def _size(path: Path) -> int:
    """Return the bytes of a file, all of them on the disk."""
    with _grown(path) as file:
        os.fsync(file.fileno())
        return file.seek(0, os.SEEK_END)


def _cut(path: Path, size: int) -> None:
    if type(size) is not int or size < 0:
        raise RunFolderError(f"'{path}' cannot be cut to {str(size)[:40]} bytes")
    with _grown(path) as file:
        # never made longer: what is not there is not there
        file.truncate(min(size, file.seek(0, os.SEEK_END)))


def new_path(base: Path, app: str) -> Path:
    """Return a folder name that is not taken, from the app's name and the time."""
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    path, n = base / f"{app}-{stamp}", 1
    while path.exists():
        n += 1
        path = base / f"{app}-{stamp}-{n}"
    return path


def _environment(config: RunConfig, registry: Registry, device: str) -> dict[str, Any]:
    plugins = {}
    for kind, choice in config.choices.items():
        entry = registry.get(kind, choice.name)
        plugins[kind] = {
            "name": choice.name,
            "distribution": entry.distribution,
            "version": entry.version,
        }
    return {
        "format": FORMAT,
        "memcell": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "libraries": dict(_libraries()),
        "plugins": plugins,
        "device": device,
        "threads": config.training.threads,
        "seed": config.training.seed,
        "git": _commit(),
        **({"init": config.init.section()} if config.init is not None else {}),
    }


@cache
def _libraries() -> Mapping[str, str]:
    """Return the versions that are installed, looked up once: a process keeps what it has imported."""
    return {name: _version(name) for name in _LIBRARIES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


@cache
def _commit() -> str:
    """Return the commit of the folder that memcell was imported from, empty outside a checkout.

    Looked up once: what is checked out later is not what this process runs.
    """
    where = Path(sys.modules["memcell"].__file__ or ".").parent
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=where, capture_output=True, text=True, timeout=5, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
