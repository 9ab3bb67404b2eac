"""The layer in what others train modules with: `DistributedDataParallel`, Lightning."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from memcell.nn import Policy, Recurrent, Windows

ROOT = Path(__file__).parents[3]

T, B, F, H = 6, 4, 3, 5


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = Recurrent("lstm", F, H, 2, normalizer="layer")
        self.readout = nn.Linear(H, 1)

    def forward(self, x, state=None):
        y, state = self.rnn(x, state)
        return self.readout(y), state


def windows():
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(T, B, F, generator=generator) for _ in range(3)]


def train(model, lanes):
    """Three updates with carried memory over some of the lanes."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    state = None
    for x in windows():
        y, state = model(x[:, lanes], state)
        optimizer.zero_grad()
        y.square().mean().backward()
        optimizer.step()
        state = state.detach()
    return state


def seeded():
    torch.manual_seed(0)
    return Model()


def one_of_two(rank, store, found):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    model = DistributedDataParallel(seeded())
    state = train(model, slice(2 * rank, 2 * rank + 2))
    weights = {name: p.detach().numpy() for name, p in model.module.named_parameters()}
    found.put((rank, weights, state.age.tolist()))
    distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.skipif(not distributed.is_available(), reason="torch without torch.distributed")
def test_two_processes_train_what_one_trains(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT)  # the processes import this module by its name
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    processes = [
        context.Process(target=one_of_two, args=(rank, tmp_path / "store", found))
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    results = sorted((found.get(timeout=120) for _ in processes), key=lambda result: result[0])
    for process in processes:
        process.join()
        assert process.exitcode == 0
    alone = seeded()
    train(alone, slice(None))
    for _, weights, ages in results:
        assert ages == [3 * T] * 2
        for name, wanted in alone.named_parameters():
            torch.testing.assert_close(
                torch.from_numpy(weights[name]), wanted.detach(), rtol=1e-5, atol=1e-6
            )


@pytest.mark.filterwarnings("ignore")  # of Lightning's own
def test_lightning_trains_and_restores_it(tmp_path):
    lightning = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model, self.state = seeded(), None

        def training_step(self, batch, index):
            y, state = self.model(batch, self.state)
            self.state = state.detach()
            return y.square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    module = Module()
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, torch.utils.data.DataLoader(windows(), batch_size=None))
    alone = seeded()
    state = train(alone, slice(None))
    assert module.state.age.tolist() == state.age.tolist() == [3 * T] * B
    torch.testing.assert_close(module.model.state_dict(), alone.state_dict())
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    again = Module.load_from_checkpoint(tmp_path / "model.ckpt")
    torch.testing.assert_close(again.model.state_dict(), alone.state_dict(), rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore")  # of Lightning's own
def test_lightning_loops_over_windows_with_a_policy(tmp_path):
    lightning = pytest.importorskip("lightning")
    sequences = [torch.randn(n, F) for n in (40, 31, 22)]

    class Module(lightning.LightningModule):
        def __init__(self, windows):
            super().__init__()
            self.model = seeded()
            self.policy = Policy("carry", self.model.rnn, windows)
            self.ages = []

        def training_step(self, batch, index):
            y, states = self.model.rnn(batch.x, **self.policy.begin(batch))
            self.policy.end(batch, states)
            self.ages.append(states[batch.advance].age.tolist())
            return (self.model.readout(y)[..., 0] * batch.valid).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    def fit(module, windows, epochs):
        lightning.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        ).fit(module, windows)

    windows = Windows(sequences, T, 2, seed=1)
    module = Module(windows)
    fit(module, windows, 2)
    again = Windows(sequences, T, 2, seed=1)
    assert module.ages == [
        ages for _ in range(2) for ages in ages_of(again, module.model.rnn.eval())
    ]
    assert windows.epoch == 2


def ages_of(windows, rnn):
    policy = Policy("carry", rnn, windows)
    found = []
    for batch in windows:
        _, states = rnn(batch.x, **policy.begin(batch))
        policy.end(batch, states)
        found.append(states[batch.advance].age.tolist())
    return found
