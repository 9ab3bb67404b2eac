"""Initial weights and the order of training, measured on three small tasks of scikit-learn.

    python docs/results/training_order.py starts    do initial weights have to be random?
    python docs/results/training_order.py orders    does reshuffling help, in one epoch and in a hundred?
    python docs/results/training_order.py batches   is a batch of one cheap, and erratic?

Digits (10 classes), breast cancer (2) and wine (3), a perceptron with one hidden layer. Each seed draws
its own split, weights and order. Primary outcomes, fixed before the runs, each family corrected by Holm:

starts: held-out accuracy after 10 epochs, all weights and biases zero or .1 less random ones (six tests).
orders: ln of the training loss after 100 epochs, reshuffled less shuffled once, each at the rate that is
    best for it on seeds of their own (three tests). Secondary: the same less one order sorted by class, and
    held-out accuracy after one epoch: sorted or alternating by class less shuffled.
batches: ln of |g_B - g| / |g|, the median over batches of B digits of a gradient's distance from that of
    all the data, after one epoch; 1 less 64. And beside it the processor's time for an update.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import datasets
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.statistics.bootstrap import interval
from memcell.statistics.paired import holm, sign_flip

SEEDS, TUNING = tuple(range(12)), (100, 101, 102)
HIDDEN, BATCH, RATES = 32, 16, (0.03, 0.1, 0.3, 1.0)
TASKS: Mapping[str, Callable[..., tuple[NDArray[np.float64], NDArray[np.int64]]]] = {
    "digits": datasets.load_digits,
    "breast cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
}
Split = tuple[Tensor, Tensor, Tensor, Tensor]


def split(task: str, seed: int) -> Split:
    """Return two thirds of a task to train on and the others, features scaled by the first."""
    x, y = TASKS[task](return_X_y=True)
    order = np.random.default_rng([seed, 0]).permutation(len(y))
    first, second = np.split(order, [2 * len(y) // 3])
    scaled = (x - x[first].mean(axis=0)) / (x[first].std(axis=0) + 1e-6)
    inputs = torch.tensor(scaled, dtype=torch.float32)
    labels = torch.tensor(y)
    return inputs[first], labels[first], inputs[second], labels[second]


def network(data: Split, seed: int, start: str = "random") -> nn.Module:
    """Return a perceptron with weights drawn from the seed, or all of them zero or .1."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = nn.Sequential(
            nn.Linear(data[0].shape[1], HIDDEN),
            nn.Tanh(),
            nn.Linear(HIDDEN, int(data[1].max()) + 1),
        )
    if start != "random":
        with torch.no_grad():
            for p in net.parameters():
                p.fill_(float(start))
    return net


def orders(labels: Tensor, how: str, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield the order of each epoch, for ever."""
    n, y = len(labels), labels.numpy()
    once = rng.permutation(n)
    by_class = once[np.argsort(y[once], kind="stable")]
    places = [np.flatnonzero(y[by_class] == c) for c in np.unique(y)]
    turn = np.concatenate([np.arange(len(p)) / len(p) for p in places])
    fixed = {
        "shuffled once": once,
        "sorted by class": by_class,
        "alternating": by_class[np.argsort(turn, kind="stable")],
    }
    while True:
        yield fixed[how] if how in fixed else rng.permutation(n)


def trained(
    data: Split,
    seed: int,
    *,
    epochs: int,
    rate: float,
    how: str = "reshuffled",
    start: str = "random",
) -> tuple[float, float]:
    """Train; return the training loss and the held-out accuracy at the end."""
    x, y, x_held, y_held = data
    net = network(data, seed, start)
    optimizer = torch.optim.SGD(net.parameters(), lr=rate)
    each = orders(y, how, np.random.default_rng([seed, 1]))
    for _ in range(epochs):
        for batch in np.array_split(next(each), len(y) // BATCH):
            optimizer.zero_grad()
            F.cross_entropy(net(x[batch]), y[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        loss = float(F.cross_entropy(net(x), y))
        right = float((net(x_held).argmax(1) == y_held).float().mean())
    return (loss if np.isfinite(loss) else 10.0), right


def row(name: str, values: Sequence[float], p: float, *, ratio: bool = False) -> str:
    """Return a row of a table: the mean of paired differences, its interval and p."""
    d = np.array(values)
    low, high = interval(d)
    if ratio:
        d, (low, high) = np.exp([d.mean()]), np.exp([low, high])
        return f"| {name} | × {d[0]:.2f} ({low:.2f} to {high:.2f}) | {p:.2g} |"
    return f"| {name} | {d.mean():+.3f} ({low:+.3f} to {high:+.3f}) | {p:.2g} |"


def compare_starts() -> None:
    """Random initial weights against all zero and all .1."""
    found: dict[str, list[float]] = {}
    for task in TASKS:
        right = {
            start: [trained(split(task, s), s, epochs=10, rate=0.1, start=start)[1] for s in SEEDS]
            for start in ("random", "0", "0.1")
        }
        print(f"- {task}: " + ", ".join(f"{k} {np.mean(v):.3f}" for k, v in right.items()))
        for start in ("0", "0.1"):
            pairs = zip(right[start], right["random"], strict=True)
            found[f"{task}, all {start}"] = [a - b for a, b in pairs]
    print(
        f"\n| all weights, less random ones (n = {len(SEEDS)}) | accuracy (95 %) | p, Holm |\n|---|---|---|"
    )
    p = holm([sign_flip(d).p for d in found.values()])
    for (name, d), value in zip(found.items(), p.tolist(), strict=True):
        print(row(name, d, value))


def compare_orders() -> None:
    """Reshuffling against one order for ever, and orders of a single epoch."""
    ways = ("reshuffled", "shuffled once", "sorted by class")
    ln: dict[tuple[str, str], NDArray[np.float64]] = {}
    for task in TASKS:
        for how in ways:
            tried = [
                np.mean(
                    [
                        np.log(trained(split(task, s), s, epochs=100, rate=r, how=how)[0])
                        for s in TUNING
                    ]
                )
                for r in RATES
            ]
            rate = RATES[int(np.argmin(tried))]
            losses = [trained(split(task, s), s, epochs=100, rate=rate, how=how)[0] for s in SEEDS]
            ln[task, how] = np.log(losses)
            print(
                f"- {task}, {how}: rate {rate:g}, training loss {np.mean(losses):.5f}", flush=True
            )
    for against, said in ((ways[1], "primary"), (ways[2], "secondary")):
        print(
            f"\n| reshuffled / {against}, training loss after 100 epochs, {said} | ratio (95 %) | p, Holm |"
        )
        print("|---|---|---|")
        differences = [ln[task, "reshuffled"] - ln[task, against] for task in TASKS]
        p = holm([sign_flip(d).p for d in differences]).tolist()
        for task, d, value in zip(TASKS, differences, p, strict=True):
            print(row(task, d.tolist(), value, ratio=True))
    print(
        "\n| one epoch, less shuffled, secondary | held-out accuracy (95 %) | p, Holm |\n|---|---|---|"
    )
    found = {}
    for task in TASKS:
        right = {
            how: [trained(split(task, s), s, epochs=1, rate=0.1, how=how)[1] for s in SEEDS]
            for how in ("reshuffled", "sorted by class", "alternating")
        }
        for how in ("sorted by class", "alternating"):
            pairs = zip(right[how], right["reshuffled"], strict=True)
            found[f"{task}, {how}"] = [a - b for a, b in pairs]
    p = holm([sign_flip(d).p for d in found.values()]).tolist()
    for (name, d), value in zip(found.items(), p, strict=True):
        print(row(name, d, value))


def noise(data: Split, seed: int, size: int) -> tuple[float, float]:
    """Return how far a batch's gradient is from that of all the data, and milliseconds for an update."""
    x, y, *_ = data
    net = network(data, seed)
    parameters = list(net.parameters())
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    rng = np.random.default_rng([seed, 1])

    def gradient(rows: NDArray[np.int64]) -> Tensor:
        grads = torch.autograd.grad(F.cross_entropy(net(x[rows]), y[rows]), parameters)
        return torch.cat([g.flatten() for g in grads])

    for batch in np.array_split(rng.permutation(len(y)), len(y) // BATCH):
        optimizer.zero_grad()
        F.cross_entropy(net(x[batch]), y[batch]).backward()
        optimizer.step()
    whole = gradient(np.arange(len(y)))
    drawn = [gradient(rng.permutation(len(y))[:size]) for _ in range(200)]
    far = float(np.median([float((g - whole).norm() / whole.norm()) for g in drawn]))
    began = time.process_time()
    for _ in range(200):
        optimizer.zero_grad()
        F.cross_entropy(net(x[:size]), y[:size]).backward()
        optimizer.step()
    return far, (time.process_time() - began) * 5


def compare_batches() -> None:
    """How erratic a gradient is, and what an update costs, by the size of the batch."""
    sizes = (1, 4, 16, 64)
    found = {b: np.array([noise(split("digits", s), s, b) for s in SEEDS]) for b in sizes}
    print(
        "| digits in a batch | distance from the whole gradient | ms an update | us a digit |\n"
        "|---|---|---|---|"
    )
    for b, values in found.items():
        far, cost = np.median(values, axis=0).tolist()
        print(f"| {b} | {far:.2f} | {cost:.3f} | {1000 * cost / b:.0f} |")
    d = (np.log(found[1][:, 0]) - np.log(found[64][:, 0])).tolist()
    print("\n| distance of a batch | ratio (95 %) | p |\n|---|---|---|")
    print(row("1 / 64", d, sign_flip(d).p, ratio=True))


if __name__ == "__main__":
    torch.set_num_threads(1)
    commands = {"starts": compare_starts, "orders": compare_orders, "batches": compare_batches}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit(f"type one of {', '.join(commands)}")
    began = time.process_time()
    commands[sys.argv[1]]()
    print(f"\n{time.process_time() - began:.0f} s of one core")
