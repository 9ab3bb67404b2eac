"""A character-level model in plain PyTorch with carried memory: `memcell.nn.Recurrent` beside `nn.LSTM`.

The text is the language reference that comes with every Python. Both models begin with the same weights and
read the same windows, one after the other along the text, so that the memory of a window is what the window
before left; both losses and the ratio of their times are printed:

    python docs/examples/characters.py --updates 300

Any cell and normalizer that `memcell plugins` lists can stand where "lstm" stands; without a counterpart in
torch (--cell peephole, --normalizer layer) it is trained alone.
"""

from __future__ import annotations

import argparse
import math
import pydoc_data.topics
import time
from typing import Any

import torch
from torch import Tensor, nn

from memcell.nn import Recurrent


class CharacterModel(nn.Module):
    """The next character from those so far; ``rnn`` is any layer that is called like `torch.nn.LSTM`."""

    def __init__(self, n_characters: int, rnn: nn.Module, hidden_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_characters, 32)
        self.rnn = rnn
        self.readout = nn.Linear(hidden_size, n_characters)

    def forward(self, characters: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return logits ``[steps, lanes, characters]`` and the state to go on from."""
        y, state = self.rnn(self.embedding(characters), state)
        return self.readout(y), state


def read_text(lanes: int) -> tuple[Tensor, int]:
    """Return the text as ``[steps, lanes]`` numbers of characters, and how many characters there are."""
    text = "\n".join(pydoc_data.topics.topics[name] for name in sorted(pydoc_data.topics.topics))
    alphabet = {character: i for i, character in enumerate(sorted(set(text)))}
    numbers = torch.tensor([alphabet[character] for character in text])
    steps = len(numbers) // lanes
    return numbers[: steps * lanes].view(lanes, steps).T.contiguous(), len(alphabet)


def detached(state: Any) -> Any:
    """Cut a state from the graph that made it: ours knows how, an `nn.LSTM`'s is a tuple of tensors."""
    return tuple(part.detach() for part in state) if type(state) is tuple else state.detach()


def with_single_biases(rnn: nn.RNNBase) -> nn.RNNBase:
    """Let torch's second bias stand still where it is added to the first: Adam would move both."""
    apart = (
        2 * rnn.hidden_size if isinstance(rnn, nn.GRU) else None
    )  # a GRU's last third is no such sum

    def still(gradient: Tensor) -> Tensor:
        kept = torch.zeros_like(gradient)
        if apart is not None:
            kept[apart:] = gradient[apart:]
        return kept

    for i in range(rnn.num_layers):
        getattr(rnn, f"bias_hh_l{i}").register_hook(still)
    return rnn


def train(model: nn.Module, text: Tensor, time_steps: int, updates: int) -> tuple[float, float]:
    """Train along the text; return the loss of the last tenth, bits a character, and seconds of CPU."""
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    losses, state, at = [], None, 0
    start = time.process_time()
    for _ in range(updates):
        if at + time_steps >= len(text):
            state, at = None, 0  # the text begins again, and memory with it
        window = text[at : at + time_steps + 1]
        logits, state = model(window[:-1], state)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), window[1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        state = detached(state)
        losses.append(loss.item())
        at += time_steps
    seconds = time.process_time() - start
    last = losses[-max(1, updates // 10) :]
    return sum(last) / len(last) / math.log(2), seconds


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cell", default="lstm")
    parser.add_argument("--normalizer", default=None)
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=32)
    parser.add_argument("--time-steps", type=int, default=64)
    parser.add_argument("--updates", type=int, default=300)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    text, n_characters = read_text(args.lanes)
    rnn = Recurrent(args.cell, 32, args.hidden_size, args.layers, normalizer=args.normalizer)
    ours = CharacterModel(n_characters, rnn, args.hidden_size)
    models = {"memcell.nn.Recurrent": ours}
    try:
        theirs = CharacterModel(n_characters, with_single_biases(rnn.to_torch()), args.hidden_size)
    except ValueError as error:
        print(f"alone: {error}")
    else:
        theirs.embedding.load_state_dict(ours.embedding.state_dict())
        theirs.readout.load_state_dict(ours.readout.state_dict())
        models[f"torch.nn.{type(theirs.rnn).__name__}"] = theirs
    print(f"{text.numel()} characters of {n_characters}; {args.cell}, {rnn.backend}")
    for (
        model
    ) in models.values():  # code is made, and torch's kernels are loaded, before time is taken
        logits, _ = model(text[: args.time_steps])
        logits.sum().backward()
        model.zero_grad()
    found = {name: train(m, text, args.time_steps, args.updates) for name, m in models.items()}
    for name, (bits, seconds) in found.items():
        print(f"{name}: {bits:.3f} bits a character after {args.updates} updates, {seconds:.2f} s")
    if len(found) == 2:
        (_, own), (_, torchs) = found.values()
        print(f"time / torch's: {own / torchs:.2f}")


if __name__ == "__main__":
    main()
