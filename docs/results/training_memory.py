"""Training memory, measured on scikit-learn's digits: gates on the last two changes, and "abababab".

python docs/results/training_memory.py gates     optimizers with memory, each at its own best rate
python docs/results/training_memory.py abab      a net that is trained on a, b, a, b in turn; an RNN on the
string

Both predict what they cost and print a table. Seeds of the tuning are others than those of the comparison;
each seed draws its own split, its own weights and its own order.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.plugins import default_registry
from memcell.statistics.bootstrap import interval
from memcell.statistics.paired import holm, sign_flip

TUNING, SEEDS = (100, 101, 102), tuple(range(12))
EPOCHS, BATCH, HIDDEN = 10, 32, 32
#: What a loss counts as where training has diverged: guessing among ten is 2.3.
DIVERGED = 10.0
RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
GATE_RATES = (0.002, 0.02)
#: Name to plugin, the options that are tried, and the rates that are tried with each.
OPTIMIZERS: Mapping[str, tuple[str, Sequence[Mapping[str, Any]], Sequence[float]]] = {
    "gated_lags, per parameter": (
        "gated_lags",
        [{"mode": "per_parameter", "gate_rate": g} for g in GATE_RATES],
        RATES,
    ),
    "sgd": ("sgd", [{}], RATES),
    "momentum .9": ("sgd", [{"momentum": 0.9}], RATES),
    "adam": ("adam", [{}], tuple(r / 10 for r in RATES)),
    "gated_lags, one for all": (
        "gated_lags",
        [{"mode": "learned", "gate_rate": g} for g in GATE_RATES],
        RATES,
    ),
    "gated_lags, fixed .5 and .2": ("gated_lags", [{"mode": "fixed", "second": 0.2}], RATES),
    "gated_memory, per parameter": (
        "gated_memory",
        [{"mode": "per_parameter", "gate_rate": g} for g in GATE_RATES],
        RATES,
    ),
    # added when the primary outcome was known: is it that gates are learned, or where they end?
    "gated_lags, fixed .36 and -.05": (
        "gated_lags",
        [{"mode": "fixed", "last": 0.36, "second": -0.05}],
        RATES,
    ),
    "momentum .3 to .97, tuned": ("sgd", [{"momentum": m} for m in (0.3, 0.6, 0.8, 0.97)], RATES),
    "gated_lags, per parameter, last alone": (
        "gated_lags",
        [{"mode": "per_parameter", "gate_rate": g, "lags": 1} for g in GATE_RATES],
        RATES,
    ),
}
#: The primary outcome: validation loss after the last epoch, of the first one less each of these.
PRIMARY = ("sgd", "momentum .9", "adam")


def split(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return 1,200 training digits and the other 597: x, y, x, y."""
    digits = load_digits()
    order = np.random.default_rng([seed, 0]).permutation(len(digits.data))
    x = torch.tensor(digits.data[order] / 16.0, dtype=torch.float32)
    y = torch.tensor(digits.target[order])
    return x[:1200], y[:1200], x[1200:], y[1200:]


def perceptron(seed: int, inputs: int, outputs: int) -> nn.Module:
    """Return a network of one hidden layer, weights drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, outputs))


def settings(name: str) -> list[tuple[float, Mapping[str, Any]]]:
    """Return what is tried of an optimizer: rates, with the plugin's options."""
    _, options, rates = OPTIMIZERS[name]
    return [(rate, each) for rate in rates for each in options]


def trained(name: str, rate: float, options: Mapping[str, Any], seed: int) -> tuple[float, Any]:
    """Train once; return the validation loss at the end, and the optimizer."""
    plugin = OPTIMIZERS[name][0]
    x, y, x_valid, y_valid = split(seed)
    net = perceptron(seed, 64, 10)
    entry = default_registry().get("optimizer", plugin)
    optimizer = entry.build(list(net.parameters()), rate, entry.config(options))
    rng = np.random.default_rng([seed, 1])
    for _ in range(EPOCHS):
        for batch in np.array_split(rng.permutation(len(x)), len(x) // BATCH):
            optimizer.zero_grad()
            F.cross_entropy(net(x[batch]), y[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        loss = float(F.cross_entropy(net(x_valid), y_valid))
    return (min(loss, DIVERGED) if np.isfinite(loss) else DIVERGED), optimizer


def gates() -> None:
    """Tune each optimizer's rate, then compare at the best ones."""
    for _ in range(2):  # the first one imports
        began = time.monotonic()
        trained("sgd", 0.1, {}, 99)
    each = time.monotonic() - began
    runs = sum(len(settings(name)) * len(TUNING) + len(SEEDS) for name in OPTIMIZERS)
    print(f"{runs} runs, about {2.5 * each * runs / 60:.1f} min\n", flush=True)
    losses = {}
    for name in OPTIMIZERS:
        tried = settings(name)
        means = [np.mean([trained(name, *setting, s)[0] for s in TUNING]) for setting in tried]
        rate, options = tried[int(np.argmin(means))]
        found = [trained(name, rate, options, s) for s in SEEDS]
        losses[name] = np.array([loss for loss, _ in found])
        said = " (at the edge of the grid)" if rate in (tried[0][0], tried[-1][0]) else ""
        said += "".join(f", {k} {v}" for k, v in options.items() if k in ("gate_rate", "momentum"))
        said += f"; loss {losses[name].mean():.4f}"
        if hasattr(found[0][1], "gates"):
            i, f1, f2 = np.mean([o.gates()[0] for _, o in found], axis=0)
            said += f"; gates at the end {i:.2f}, {f1:+.2f}, {f2:+.2f}"
        print(f"- {name}: rate {rate:g}{said}", flush=True)
    first = next(iter(OPTIMIZERS))
    print(f"\nValidation loss of {first} less that of (n = {len(SEEDS)}):\n")
    print("| against | difference (95 % interval) | p | |\n|---|---|---|---|")
    families = (
        (PRIMARY, "primary"),
        ([*OPTIMIZERS][4:7], "secondary"),
        ([*OPTIMIZERS][7:], "later"),
    )
    for family, said in families:
        differences = [losses[first] - losses[name] for name in family]
        p = holm([sign_flip(d).p for d in differences])
        for name, d, value in zip(family, differences, p, strict=True):
            low, high = interval(d)
            print(
                f"| {name} | {d.mean():+.4f} ({low:+.4f} to {high:+.4f}) | {value:.2g} | {said} |"
            )


def abab() -> None:
    """Measure whether a net that is trained in turn on a and b expects b after a."""
    print(f"{len(SEEDS)} seeds, 3 orders, about half a minute\n", flush=True)
    orders: Mapping[str, Callable[[np.random.Generator, int], Any]] = {
        "a, b, a, b": lambda rng, n: np.arange(n) % 2,
        "shuffled": lambda rng, n: rng.permutation(np.arange(n) % 2),
        "all a, all b": lambda rng, n: np.arange(n) * 2 // n,
    }
    found = {name: [anticipation(seed, order) for seed in SEEDS] for name, order in orders.items()}
    print(
        "p(b) on held-out inputs where b comes next less where a does; 1 would be what the claim says\n"
    )
    print(
        "| order of training | digits 0 and 1 | inputs without any content | p, Holm |\n|---|---|---|---|"
    )
    rows = [("a, b, a, b"), ("shuffled")]
    p = holm([sign_flip([v[k] for v in found[r]]).p for r in rows for k in (0, 1)])
    for i, r in enumerate(rows):
        texts = []
        for k in (0, 1):
            values = np.array([v[k] for v in found[r]])
            low, high = interval(values)
            texts.append(f"{values.mean():+.4f} ({low:+.4f} to {high:+.4f})")
        print(f"| {r} | {texts[0]} | {texts[1]} | {p[2 * i]:.2g}, {p[2 * i + 1]:.2g} |")
    last = np.array([v[2] for v in found["all a, all b"]])
    both = np.array([v[2] for v in found["a, b, a, b"]])
    print(
        "\naccuracy on held-out a less on b after the last update: "
        f"{last.mean():+.3f} where all b came last, {both.mean():+.3f} in turn"
    )
    right = np.array([string(seed) for seed in SEEDS])
    print(f"RNN on the string, next letter right: {right[:, 0].mean():.3f} at the trained length of 16, "
          f"{right[:, 1].mean():.3f} at 200")  # fmt: skip


def anticipation(
    seed: int, order: Callable[[np.random.Generator, int], Any]
) -> tuple[float, float, float]:
    """Train one item at a time; return the anticipation on digits and without content, and acc_a - acc_b."""
    digits = load_digits(n_class=2)
    rng = np.random.default_rng([seed, 2])
    shuffled = rng.permutation(len(digits.data))
    x = torch.tensor(digits.data[shuffled] / 16.0, dtype=torch.float32)
    y = digits.target[shuffled]
    of = [np.flatnonzero(y[:240] == c) for c in (0, 1)]
    held = slice(240, None)
    net = perceptron(seed, 64, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    sequence = order(rng, 400)
    next_is: dict[int, list[tuple[float, float]]] = {0: [], 1: []}
    blank = torch.full((1, 64), float(x.mean()))
    for n, kind in enumerate(sequence):
        if n >= 40:  # before each update, once both were seen
            with torch.no_grad():
                p = torch.softmax(net(torch.cat([x[held], blank])), 1)[:, 1]
            next_is[int(kind)].append((float(p[:-1].mean()), float(p[-1])))
        item = int(rng.choice(of[int(kind)]))
        optimizer.zero_grad()
        F.cross_entropy(net(x[item : item + 1]), torch.tensor([int(kind)])).backward()
        optimizer.step()
    means = [np.mean(next_is[k], axis=0) for k in (0, 1)]
    with torch.no_grad():
        right = net(x[held]).argmax(1).numpy() == y[held]
    apart = float(right[y[held] == 0].mean() - right[y[held] == 1].mean())
    return float(means[1][0] - means[0][0]), float(means[1][1] - means[0][1]), apart


def string(seed: int) -> tuple[float, float]:
    """Train a plain RNN on the letter that follows in abab...; return accuracy at 16 letters and at 200."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        rnn, readout = nn.RNN(2, 8), nn.Linear(8, 2)
    parameters = [*rnn.parameters(), *readout.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.01)

    def of(length: int, begins: int) -> tuple[Tensor, Tensor]:
        letters = (torch.arange(length + 1) + begins) % 2
        return F.one_hot(letters[:-1], 2).float(), letters[1:]

    for n in range(200):
        x, wanted = of(16, n % 2)
        optimizer.zero_grad()
        F.cross_entropy(readout(rnn(x)[0]), wanted).backward()
        optimizer.step()
    with torch.no_grad():
        right = []
        for length in (16, 200):
            pairs = [of(length, begins) for begins in (0, 1)]
            right.append(
                np.mean(
                    [float((readout(rnn(x)[0]).argmax(1) == y).float().mean()) for x, y in pairs]
                )
            )
    return float(right[0]), float(right[1])


if __name__ == "__main__":
    torch.set_num_threads(1)
    commands = {"gates": gates, "abab": abab}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit(f"type one of {', '.join(commands)}")
    commands[sys.argv[1]]()
