"""Does training get stuck? Gradients and curvature on all the data, over nets and objectives.

python docs/results/gradients.py

Small networks on 600 of scikit-learn's digits, so that the gradient is that of the objective itself and the
Hessian's smallest and largest eigenvalue are of all the data (Lanczos, by products of Hessian and vector).
Each net is trained with each loss by stochastic gradient descent and by Adam; both are measured at the
start and after each fifth of the updates.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

SEEDS, UPDATES, BATCH, EXAMPLES = 4, 1000, 32, 600


class RowsRNN(nn.Module):
    """A tanh RNN that reads a digit's eight rows."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.readout = nn.RNN(8, 16), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``[B, 10]``."""
        h, weights = x.new_zeros(len(x), 16), self.rnn
        for row in x.reshape(-1, 8, 8).unbind(
            1
        ):  # a loop of its own: torch's has no second derivative
            net = F.linear(row, weights.weight_ih_l0, weights.bias_ih_l0)
            h = torch.tanh(net + F.linear(h, weights.weight_hh_l0, weights.bias_hh_l0))
        return self.readout(h)


def _cnn() -> nn.Module:
    image = nn.Unflatten(1, (1, 8, 8))
    return nn.Sequential(
        image, nn.Conv2d(1, 6, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(54, 10)
    )


NETS: Mapping[str, Callable[[], nn.Module]] = {
    "MLP": lambda: nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10)),
    "MLP, relu": lambda: nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10)),
    "CNN": _cnn,
    "RNN": RowsRNN,
}
LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy": F.cross_entropy,
    "squared error": lambda z, y: F.mse_loss(z, F.one_hot(y, 10).float()),
    "sigmoid, squared error": lambda z, y: F.mse_loss(torch.sigmoid(z), F.one_hot(y, 10).float()),
}
OPTIMIZERS: Mapping[str, Callable[[list[nn.Parameter]], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
}


def measured(
    net: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor
) -> list[float]:
    """Return loss, norm of the gradient, smallest and largest eigenvalue of the Hessian, on all the data."""
    parameters = list(net.parameters())
    value = loss(net(x), y)
    gradient = torch.autograd.grad(value, parameters, create_graph=True)
    flat = torch.cat([g.reshape(-1) for g in gradient])

    def product(v: np.ndarray) -> np.ndarray:
        with_vector = (flat * torch.from_numpy(v.astype(np.float32)).reshape(-1)).sum()
        found = torch.autograd.grad(with_vector, parameters, retain_graph=True)
        return torch.cat([g.reshape(-1) for g in found]).double().numpy()

    hessian = LinearOperator((len(flat), len(flat)), matvec=product, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(len(flat))
    low, high = eigsh(hessian, k=2, which="BE", tol=1e-3, v0=start, return_eigenvectors=False)
    return [float(value), float(flat.detach().norm()), float(low), float(high)]


def one(net_name: str, loss_name: str, optimizer_name: str, seed: int) -> list[list[float]]:
    """Train once; return what was measured, at the start and at each fifth."""
    digits = load_digits()
    rng = np.random.default_rng([seed, 0])
    chosen = rng.permutation(len(digits.data))[:EXAMPLES]
    x = torch.tensor(digits.data[chosen] / 16.0, dtype=torch.float32)
    y = torch.tensor(digits.target[chosen])
    torch.manual_seed(seed)
    net, loss = NETS[net_name](), LOSSES[loss_name]
    optimizer = OPTIMIZERS[optimizer_name](list(net.parameters()))
    found = [measured(net, loss, x, y)]
    for n in range(UPDATES):
        batch = rng.integers(0, EXAMPLES, BATCH)
        optimizer.zero_grad()
        loss(net(x[batch]), y[batch]).backward()
        optimizer.step()
        if (n + 1) % (UPDATES // 5) == 0:
            found.append(measured(net, loss, x, y))
    return found


def main() -> None:
    """Run the sweep and print a table."""
    torch.set_num_threads(1)
    began = time.monotonic()
    one("MLP", "cross-entropy", "sgd", 99)
    each = time.monotonic() - began
    runs = len(NETS) * len(LOSSES) * len(OPTIMIZERS) * SEEDS
    print(
        f"{runs} runs, about {each * runs / 60:.1f} min; medians over {SEEDS} seeds (smallest to largest)\n"
    )
    print("| net | loss | optimizer | loss at the end | gradient, end / start | smallest share on the way "
          "| smallest / largest eigenvalue, end |\n|---|---|---|---|---|---|---|", flush=True)  # fmt: skip
    shares, below = [], 0
    for net, loss, optimizer in itertools.product(NETS, LOSSES, OPTIMIZERS):
        runs_of = np.array([one(net, loss, optimizer, seed) for seed in range(SEEDS)])
        norms = runs_of[:, :, 1] / runs_of[:, :1, 1]
        curvature = runs_of[:, -1, 2] / runs_of[:, -1, 3]
        shares += norms[:, 1:].min(1).tolist()
        below += int((runs_of[:, -1, 2] < 0).sum())
        cells = [
            f"{np.median(runs_of[:, -1, 0]):.3g}",
            _range(norms[:, -1]),
            _range(norms[:, 1:].min(1)),
            _range(curvature),
        ]
        print("| " + " | ".join([net, loss, optimizer, *cells]) + " |", flush=True)
    print(
        f"\nsmallest share of the starting gradient in any run: {min(shares):.2g}; smallest "
        f"eigenvalue below 0 at the end in {below} of {len(shares)} runs"
    )


def _range(values: np.ndarray) -> str:
    return f"{np.median(values):.2g} ({values.min():.2g} to {values.max():.2g})"


if __name__ == "__main__":
    main()
