"""Noise on features: once a window and lane, in training alone, and reproducible."""

from __future__ import annotations

import pytest
import torch

from memcell.network.input_noise import InputNoise
from memcell.recurrent.policy import CarriedState


def generator(seed=0):
    made = torch.Generator()
    made.manual_seed(seed)
    return made


def test_without_noise_nothing_is_drawn() -> None:
    x, drawn = torch.randn(4, 3, 2), generator()
    before = drawn.get_state()
    assert InputNoise()(x, drawn) is x
    assert torch.equal(drawn.get_state(), before)


def test_a_shift_is_the_same_through_a_window_and_another_in_each_lane() -> None:
    x = torch.randn(5, 400, 30)
    moved = InputNoise(shift=0.5)(x, generator()) - x
    assert torch.allclose(moved, moved[:1].expand_as(moved), atol=1e-6)
    assert moved[0].std() == pytest.approx(0.5, rel=0.05)
    assert moved[0].mean() == pytest.approx(0.0, abs=0.02)


def test_a_feature_is_left_out_throughout_and_the_mean_stays() -> None:
    x = torch.ones(5, 400, 30)
    out = InputNoise(dropout=0.25)(x, generator())
    assert out.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert torch.equal(out, out[:1].expand_as(out))
    assert out.mean() == pytest.approx(1.0, rel=0.03)


def test_one_seed_draws_the_same() -> None:
    x, noise = torch.randn(5, 3, 4), InputNoise(shift=1.0, dropout=0.5)
    assert torch.equal(noise(x, generator(1)), noise(x, generator(1)))
    assert not torch.equal(noise(x, generator(1)), noise(x, generator(2)))


def test_it_changes_training_and_not_inference(make_trainer) -> None:
    noisy = make_trainer("noisy", network={"input_shift": 2.0})
    plain = make_trainer("plain")
    assert noisy.network.noise.shift == 2.0
    x = torch.randn(6, 2, 3)
    marks = torch.zeros(6, 2, dtype=torch.bool)

    def run(network, training, drawn=None):
        network.train(training)
        initial_state = network.initial_state(2)
        begin = CarriedState(initial_state, torch.zeros(2, dtype=torch.int64))
        return network(x, begin, initial_state, marks, ~marks, generator=drawn).logits

    noisy.network.load_state_dict(plain.network.state_dict())
    assert torch.equal(run(noisy.network, False), run(plain.network, False))
    assert torch.equal(run(noisy.network, False, generator()), run(plain.network, False))
    assert torch.equal(run(noisy.network, True), run(plain.network, True))
    assert not torch.equal(
        run(noisy.network, True, generator()), run(plain.network, True, generator())
    )


def test_white_noise_differs_from_step_to_step() -> None:
    x = torch.randn(200, 20, 30)
    added = InputNoise(white=0.5)(x, generator()) - x
    assert added.std() == pytest.approx(0.5, rel=0.02)
    assert added.mean(0).abs().max() < 0.2
    assert torch.equal(InputNoise(white=0.5)(x, generator()) - x, added)
