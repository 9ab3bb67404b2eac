"""What ``memcell doctor`` looks at: each look yields what it found, and what to type where it is missing.

A look never changes anything. One that fails is a finding by itself.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from memcell.cli.plugins import plugin_status
from memcell.files.places import cache_folder, data_folder
from memcell.plugins import default_registry
from memcell.plugins.loader import OWN_DISTRIBUTION
from memcell.reports.numbers import counted
from memcell.threads import usable_cores
from memcell.version import __version__

Status = Literal["ok", "missing", "broken"]

#: What the extras of the distribution are for. Those of developers (test, docs, dev) are not looked at.
EXTRAS = {
    "live": "reading an LSL stream (memcell stream APP --model RUN --lsl NAME)",
    "bids": "BIDS data sets (--data FOLDER)",
    "cluster": "several processes (--jobs, --scheduler)",
    "onnx": "ONNX files (memcell export RUN --to onnx)",
    "parquet": "Parquet files (memcell train sequences)",
    "review": "correcting predictions in MNE's browser (memcell review)",
    "notebooks": "the notebooks of the documentation",
}
#: Where a compiler comes from.
_COMPILERS = {
    "Linux": "sudo apt install gcc (or your distribution's gcc or clang)",
    "Darwin": "xcode-select --install",
    "Windows": "install LLVM (winget install LLVM.LLVM)",
}


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One thing that was looked at.

    Args:
        name: What it is, in a word or two.
        status: ``"missing"``: memcell works without it, slower or not for every command; ``"broken"``: it is
            there and does not do.
        text: What was found.
        fix: What to type or to do; empty where nothing is to be done.
    """

    name: str
    status: Status
    text: str
    fix: str = ""


def diagnoses(say: Callable[[Diagnosis], None]) -> Iterator[Diagnosis]:
    """Yield what is found, each said as soon as it is known: some of it takes seconds."""
    for look in (
        _program,
        _machine,
        _torch,
        _compiler,
        _generated,
        _gpu,
        _folders,
        _extras,
        _plugins,
    ):
        try:
            found = list(look())
        except Exception as error:  # the one command that must not fail for what it looks at
            name = look.__name__.strip("_")
            found = [Diagnosis(name=name, status="broken", text=f"{type(error).__name__}: {error}")]
        for diagnosis in found:
            say(diagnosis)
            yield diagnosis


def _program() -> Iterator[Diagnosis]:
    where = Path(__file__).parents[2]
    yield Diagnosis(
        name="memcell",
        status="ok",
        text=f"{__version__}, in {where}; Python {platform.python_version()} ({sys.executable})",
    )


def _machine() -> Iterator[Diagnosis]:
    memory = ""
    with suppress(AttributeError, ValueError, OSError):  # no such numbers on this system
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
        memory = f", {pages * size / 2**30:.0f} GiB of memory"
    yield Diagnosis(
        name="machine",
        status="ok",
        text=f"{platform.system()} {platform.machine()}, {_cpu()}, {usable_cores()} usable cores{memory}",
    )


def _cpu() -> str:
    with suppress(OSError):
        found = re.search(
            r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8")
        )
        if found:
            return found[1].strip()
    return platform.processor() or "a processor that does not say its name"


def _torch() -> Iterator[Diagnosis]:
    import torch

    named = os.environ.get("OMP_NUM_THREADS")
    threads = torch.get_num_threads()
    yield Diagnosis(
        name="torch",
        status="ok",
        text=f"{torch.__version__}, {threads} thread{'s'[: threads - 1]}"
        + (f" (OMP_NUM_THREADS={named})" if named else ""),
    )
    for package in ("mne", "numpy", "scipy", "scikit-learn"):
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            yield Diagnosis(
                name=package, status="broken", text="is not installed", fix=f"pip install {package}"
            )
        else:
            yield Diagnosis(name=package, status="ok", text=version)


def _compiler() -> Iterator[Diagnosis]:
    from memcell.recurrent.refusals import Unsupported
    from memcell_compiler.build.compiler import find_compiler
    from memcell_compiler.build.target import available, chosen

    try:
        compiler = find_compiler()
    except Unsupported as error:
        fix = _COMPILERS.get(platform.system(), "install gcc or clang")
        yield Diagnosis(
            name="C compiler",
            status="missing",
            text=f"{error}: cells run in a plain loop, slower",
            fix=fix,
        )
        return
    version = (compiler.version.splitlines() or ["says nothing of itself"])[0]
    yield Diagnosis(name="C compiler", status="ok", text=f"{' '.join(compiler.command)}: {version}")
    try:
        yield Diagnosis(
            name="instructions", status="ok", text=f"{chosen().name} (of {', '.join(available())})"
        )
    except Unsupported as error:
        yield Diagnosis(
            name="instructions", status="broken", text=str(error), fix="unset MEMCELL_NATIVE_ISA"
        )


def _generated() -> Iterator[Diagnosis]:
    """Compile an LSTM, run it forward and back, and hold it beside the plain loop."""
    import torch

    from memcell.backends import BackendWarning
    from memcell.nn import Recurrent

    def gradients(backend: str) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        rnn = Recurrent("lstm", 5, 7, backend=backend)
        for parameter in rnn.parameters():
            parameter.data.uniform_(-0.5, 0.5, generator=generator)
        x = torch.randn(9, 3, 5, generator=generator)
        y, _ = rnn(x)
        y.square().sum().backward()
        return [y.detach(), *(p.grad for p in rnn.parameters() if p.grad is not None)]

    began = time.monotonic()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        native = gradients("native")
    seconds = time.monotonic() - began
    refused = next((str(w.message) for w in told if issubclass(w.category, BackendWarning)), "")
    if refused:
        there = any(f.status == "ok" for f in _compiler())
        yield Diagnosis(
            name="generated code",
            status="broken" if there else "missing",
            text=refused,
            fix="set CC to a gcc or clang that works" if there else "",
        )
        return
    others = [str(w.message) for w in told]
    error = max(float((a - b).abs().max()) for a, b in zip(native, gradients("eager"), strict=True))
    if error > 1e-4:
        yield Diagnosis(
            name="generated code",
            status="broken",
            text=f"an LSTM differs from the plain loop by {error:.2g}",
            fix="train with --backend eager, and report it, please",
        )
        return
    text = f"an LSTM, ready after {seconds:.1f} s, agrees with the plain loop ({error:.0e})"
    yield Diagnosis(name="generated code", status="ok", text="; ".join([text, *others]))


def _gpu() -> Iterator[Diagnosis]:
    import torch

    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(number)
            yield Diagnosis(
                name="GPU",
                status="ok",
                text=f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB (CUDA {torch.version.cuda})",
            )
        return
    build = torch.version.cuda
    if not shutil.which("nvidia-smi"):  # nor a driver
        yield Diagnosis(name="GPU", status="ok", text="none; training and inference run on the CPU")
    elif build is None:
        yield Diagnosis(
            name="GPU",
            status="missing",
            text="there is one, and this torch is a CPU build",
            fix="install a CUDA build of torch: https://pytorch.org/get-started/locally",
        )
    else:
        yield Diagnosis(
            name="GPU",
            status="missing",
            text=f"torch is built for CUDA {build} and sees none: driver or permission, see nvidia-smi",
        )


def _folders() -> Iterator[Diagnosis]:
    for name, folder in (("cache", cache_folder()), ("data", data_folder())):
        above = next(p for p in (folder, *folder.parents) if p.exists())
        free = shutil.disk_usage(above).free
        if not above.is_dir() or not os.access(above, os.W_OK):
            variable = f"XDG_{name.upper()}_HOME"
            yield Diagnosis(
                name=name,
                status="broken",
                text=f"'{folder}' cannot be written",
                fix=f"set {variable} to a folder of yours",
            )
            continue
        count, size = contents(folder)
        held = f"{size / 2**20:.0f} MiB in {counted(count, 'file')}"
        text = f"'{folder}': {held}, {free / 2**30:.0f} GiB free on its disk"
        if free < 2**30:
            yield Diagnosis(
                name=name, status="broken", text=text, fix="memcell doctor --clear-cache"
            )
        else:
            yield Diagnosis(name=name, status="ok", text=text)


def contents(folder: Path) -> tuple[int, int]:
    """Return how many files lie in a folder, and their bytes."""
    count = size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # another process may remove it meanwhile
                size += (Path(place) / name).lstat().st_size
                count += 1
    return count, size


def _extras() -> Iterator[Diagnosis]:
    from packaging.requirements import Requirement

    asked = [Requirement(r) for r in metadata.requires(OWN_DISTRIBUTION) or ()]
    for extra, what in EXTRAS.items():
        needed = [
            r
            for r in asked
            if r.marker is not None and _is_for(r, extra) and r.name != OWN_DISTRIBUTION
        ]
        if not needed:
            continue  # an installation of before this extra
        missing, versions = [], []
        for requirement in needed:
            try:
                version = metadata.version(requirement.name)
            except metadata.PackageNotFoundError:
                missing.append(requirement.name)
                continue
            versions.append(f"{requirement.name} {version}")
            if not requirement.specifier.contains(version, prereleases=True):
                missing.append(
                    f"{requirement.name}{requirement.specifier} ({version} is installed)"
                )
        if missing:
            yield Diagnosis(
                name=extra,
                status="missing",
                text=f"{', '.join(missing)}, for {what}",
                fix=f"pip install '{OWN_DISTRIBUTION}[{extra}]'",
            )
        else:
            yield Diagnosis(name=extra, status="ok", text=f"{', '.join(versions)}, for {what}")
    if find_spec("yasa") is None:
        what = "a second opinion on sleep (memcell bench quality)"
        yield Diagnosis(
            name="yasa", status="missing", text=f"yasa, for {what}", fix="pip install yasa"
        )
    else:
        yield Diagnosis(name="yasa", status="ok", text=metadata.version("yasa"))


def _is_for(requirement: object, extra: str) -> bool:
    marker = getattr(requirement, "marker", None)
    return (
        marker is not None
        and bool(marker.evaluate({"extra": extra}))
        and not marker.evaluate({"extra": ""})
    )


def _plugins() -> Iterator[Diagnosis]:
    registry = default_registry()
    entries = registry.entries()
    own = sum(e.built_in for e in entries)
    others = sorted({f"{e.distribution} {e.version}" for e in entries if not e.built_in})
    text = f"{own} built in" + (f", {len(entries) - own} of {', '.join(others)}" if others else "")
    yield Diagnosis(name="plugins", status="ok", text=text)
    reasons = [str(failure) for failure in registry.failures]
    reasons += [
        f"{e.spec.kind} '{e.spec.name}' of {e.distribution} {e.version}: {status}"
        for e in entries
        if (status := plugin_status(e)) not in ("ok", "")
    ]
    for reason in reasons:
        yield Diagnosis(
            name="plugins",
            status="broken",
            text=reason,
            fix="mend or uninstall it, or leave it out: MEMCELL_LOAD_PLUGINS= memcell …",
        )
