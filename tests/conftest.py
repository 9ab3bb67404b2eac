"""One torch thread for all tests (small tensors gain nothing from two); nights of sleep made on the spot."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

from memcell_data.datasets.sleep_hypnogram import STAGES
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.recording import Interval
from memcell_plugins.cells.specs import RECENT

# No test may depend on how busy the machine is.
hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy")

#: What every cell goes through, at the price of compiling it anew or of every normalizer. The cells of the
#: last decade do so among the slow tests; in the fast ones each is compiled once (`native/test_oracle`).
PRODUCTS = {
    "test_a_layer_equals_the_oracle_with_every_gradient",
    "test_every_cell_runs_with_every_normalizer",
    "test_two_windows_are_one",
    "test_no_number_of_a_generated_loop_is_subnormal",
    "test_inductor_accepts_built_in_cells",
    "test_every_cell_with_every_normalizer_stays_on_its_device",
}
#: Products that are slow for every cell. Of these and of `PRODUCTS` a recent cell keeps its combination with
#: one normalizer, another for each cell, among the slow tests; the others are ``exhaustive``.
SLOW_PRODUCTS = {"test_every_cell_on_every_instruction_set", "test_inductor_equals_eager_loop"}
NAMES = [spec.name for spec in RECENT]
NORMALIZERS = ("none", "layer", "batch")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        given = item.callspec.params if hasattr(item, "callspec") else {}
        check = getattr(given.get("check"), "__name__", "")
        products = item.originalname in PRODUCTS | SLOW_PRODUCTS
        if products or check == "chosen_backend_equals_eager":
            values = (given.get(key) for key in ("cell", "name", "spec"))
            names = [str(getattr(value, "name", value)) for value in values]
            cell = next((name for name in names if name in NAMES), None)
            if cell is None:
                continue
            item.add_marker(pytest.mark.slow)
            norm = given.get("norm", given.get("normalizer", ""))
            if norm != "" and str(norm or "none") != NORMALIZERS[NAMES.index(cell) % 3]:
                item.add_marker(pytest.mark.exhaustive)


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Nights:
    """Made-up nights of the layout of ``sleep-edf-powers``: hypnograms, and powers of what they score."""

    #: (annotation, epochs): sleep with a movement in it, and an unscored stretch between two sleeps.
    NIGHT = (
        ("Sleep stage W", 40),
        ("Sleep stage 1", 4),
        ("Sleep stage 2", 16),
        ("Movement time", 1),
        ("Sleep stage 2", 10),
        ("Sleep stage 3", 6),
        ("Sleep stage 4", 4),
        ("Sleep stage W", 12),
        ("Sleep stage ?", 3),
        ("Sleep stage R", 10),
        ("Sleep stage W", 30),
        ("Sleep stage ?", 5),
    )

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def hypnogram(self, name, night=NIGHT, shift=0.0):
        onset, annotations = shift, []
        for label, epochs in night:
            annotations.append(Interval(onset=onset, duration=30.0 * epochs, label=label))
            onset += 30.0 * epochs
        path = self.folder / name
        write_edf(path, [Track(name="x", values=np.zeros(2), rate=1)], annotations=annotations)
        return path

    def arrays(self, night=NIGHT, seed=0):
        """Powers of the scored epochs; sleep makes delta larger."""
        random = np.random.default_rng(seed)
        stage = np.repeat([STAGES[label] for label, _ in night], [epochs for _, epochs in night])
        stage = stage[stage >= 0]
        power = np.exp(random.normal(size=(len(stage), 2, 5)))
        power[:, :, 0] *= np.where(stage > 0, 20, 1)[:, None]
        return {
            "power": power.astype(np.float32),
            "log_variance": random.normal(-21, 0.5, (len(stage), 2)).astype(np.float32),
            "mobility": np.exp(random.normal(-1, 0.3, (len(stage), 2))).astype(np.float32),
            "stage": stage.astype(np.int8),
        }

    def write(self, name="SC4001E0", night=NIGHT, seed=0, **changed):
        """Write a night; ``changed`` replaces arrays, or leaves one out where it is None."""
        self.hypnogram(f"{name[:6]}EC-Hypnogram.edf", night)
        arrays = {k: v for k, v in {**self.arrays(night, seed), **changed}.items() if v is not None}
        path = self.folder / f"{name}.npz"
        np.savez(path, **arrays)
        return path


@pytest.fixture
def nights(tmp_path) -> Nights:
    folder = tmp_path / "nights"
    folder.mkdir()
    return Nights(folder)
