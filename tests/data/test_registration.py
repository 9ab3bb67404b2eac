"""The plugin module: what it registers, and that listing it costs nothing."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import memcell_data
from memcell.applications.datasets import Card
from memcell.plugins.options import fields_of
from memcell_data.recording import Recording

SPECS = list(memcell_data.memcell_datasets())
HEAVY = ("mne", "scipy", "sklearn", "torch", "pandas")


def load(reference):
    module, name = reference.split(":")
    return getattr(importlib.import_module(module), name)


def test_names():
    assert [s.name for s in SPECS] == [
        "simulated",
        "eye-state",
        "eyes",
        "sleep-edf-powers",
        "sleep-edf",
        "mwt",
        "bids",
        "own",
    ]


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.name)
def test_every_spec_resolves(spec):
    config = load(spec.config)
    for field in fields_of(config):
        assert field.help.endswith("."), field.name
    data = load(spec.factory)(config())
    card = data.card
    assert isinstance(card, Card)
    assert card.name == spec.name
    assert card.simulated == spec.simulated
    assert card.source
    assert card.licence
    assert card.citation
    if spec.recognise:
        assert load(spec.recognise)(memcell_data.__file__) is False


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("memcell_data", (*HEAVY, "numpy")),
        ("memcell_data.datasets.configs, memcell_data.datasets.recognise", (*HEAVY, "numpy")),
        (
            ", ".join(
                f"memcell_data.datasets.{name}"
                for name in ("user_recordings", "eyes", "eye_state", "simulated")
            ),
            HEAVY,
        ),
        (
            ", ".join(
                f"memcell_data.{name}"
                for name in ("datasets.mwt", "datasets.sleep_edf", "datasets.bids", "checks.check")
            ),
            (*HEAVY, "mne_bids"),
        ),
    ],
)
def test_nothing_heavy_is_imported(modules, unwanted):
    code = f"import sys, {modules}; print(*[m for m in {unwanted!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""


def test_a_recording_says_what_it_is(make_edf):
    from memcell_data.formats.reader import open_recording

    recording = open_recording(make_edf().path)
    assert isinstance(recording, Recording)
    assert len(recording.fingerprint) == 16
    assert recording.labels() is None
