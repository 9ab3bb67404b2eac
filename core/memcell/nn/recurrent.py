"""A drop-in for `torch.nn.LSTM` with any cell and any normalizer, and memory that can be carried."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Self, SupportsFloat, SupportsIndex

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from memcell.backends import Layer, RecurrentStack
from memcell.backends.choose import CHOICES
from memcell.backends.first_window import FirstWindow
from memcell.nn.building import build_cell, normalizer_maker, refuse_what_is_not_offered
from memcell.nn.checks import (
    LayerForm,
    check_finite,
    check_input,
    check_mask,
    check_state,
    check_steps,
    is_like,
)
from memcell.nn.standing import Standing, recorded
from memcell.nn.state import RecurrentState, named
from memcell.recurrent.cell import Cell, torch_form_of
from memcell.recurrent.initializers import initializer
from memcell.recurrent.normalizer import Normalizer
from memcell.recurrent.state import leaves, rebuild
from memcell.recurrent.window_call import LAST
from memcell.recurrent.zoneout import Zoneout, zoned_out

#: torch's own layers, by the name of the cell that is exactly theirs (`Cell.torch_form`).
_TORCH: dict[str, type[nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn_tanh": nn.RNN}
_OURS = {nn.LSTM: "lstm", nn.GRU: "gru", nn.RNN: "rnn"}


class Recurrent(nn.Module):
    """Recurrent layers over a window of time steps.

    Args:
        cell: A name that ``memcell plugins`` lists (``"lstm"``, ``"gru"``, ``"peephole"``, ...), a class made
            from ``(input_size, hidden_size, **cell_options)``, or a cell (of one layer).
        input_size: I, features a step.
        hidden_size: H, width of each layer's output.
        num_layers: Layers on top of each other.
        normalizer: ``None``, a name (``"layer"``, ``"batch"``, ``"rms"``, ...), a class or a function that
            makes the normalizer of a given width; every site of every layer gets its own.
        cell_options: The cell's options by name (``memcell plugins CELL`` lists them).
        normalizer_options: The normalizer's.
        batch_first: x, y, ``resets`` and ``mask`` are ``[B, T, …]`` rather than ``[T, B, …]``.
        dropout: Share of a layer's outputs dropped on the way to the next layer, in training.
        zoneout: Probability that a unit of the state stays as it was at a step, in training
            (`memcell.recurrent.zoneout`): one for every part of the cell's state, or one a part.
        backend: ``"auto"`` or the name of a backend; what cannot run as asked runs step by step and warns.
        input_init: Initializer of input weights (`memcell.recurrent.initializers`), drawn as torch's layers
            draw: from the global generator.
        recurrent_init: Initializer of recurrent weights, one gate at a time.
        device: Where the weights are.
        dtype: Of the weights.
        bias: True; cells have their own biases.
        proj_size: 0; a projection is an `nn.Linear` behind the layer.
        bidirectional: False; memory that is carried forward has no counterpart backwards.

    Raises:
        ValueError: An argument is out of bounds, or not offered: says what to write instead.
        memcell.UsageError: No plugin of that name.

    The first window of a cell or normalizer that is not built in, where it is trained on a CPU, is run on the
    backend and on the eager loop; where they differ the layer goes on on the eager loop and warns.

    >>> import torch
    >>> rnn = Recurrent("lstm", 8, 16, num_layers=2, normalizer="layer")
    >>> x = torch.randn(20, 4, 8)
    >>> y, state = rnn(x)
    >>> y, state = rnn(x, state.detach())    # memory carried on
    >>> tuple(y.shape), state.age.tolist()
    ((20, 4, 16), [40, 40, 40, 40])
    """

    def __init__(
        self,
        cell: str | type[Cell] | Cell,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        normalizer: str | Callable[..., Normalizer] | None = None,
        cell_options: Mapping[str, Any] | None = None,
        normalizer_options: Mapping[str, Any] | None = None,
        batch_first: bool = False,
        dropout: float = 0.0,
        zoneout: float | Sequence[float] = 0.0,
        backend: str = "auto",
        input_init: str = "glorot",
        recurrent_init: str = "orthogonal",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        bias: bool = True,
        proj_size: int = 0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        for name, size in (
            ("input_size", input_size),
            ("hidden_size", hidden_size),
            ("num_layers", num_layers),
        ):
            if not isinstance(size, SupportsIndex) or operator.index(size) < 1:
                raise ValueError(f"{name}={size!r}; expected a whole number from 1")
        # NumPy's whole numbers are as good
        sizes = map(operator.index, (input_size, hidden_size, num_layers))
        input_size, hidden_size, num_layers = sizes
        if not isinstance(dropout, SupportsFloat) or not 0 <= dropout < 1:
            raise ValueError(f"dropout={dropout!r}; expected a share from 0 to below 1")
        if backend not in CHOICES:
            raise ValueError(f"backend={backend!r}; expected one of {', '.join(CHOICES)}")
        refuse_what_is_not_offered(bias, proj_size, bidirectional)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.batch_first = batch_first
        rates = tuple(zoneout) if isinstance(zoneout, tuple | list) else (zoneout,)
        make_norm, norm_origin = normalizer_maker(normalizer, dict(normalizer_options or {}))
        layers, width, origins = [], input_size, [norm_origin]
        for _ in range(num_layers):
            built, origin = build_cell(
                cell, width, hidden_size, num_layers, dict(cell_options or {})
            )
            if not isinstance(cell, Cell):
                built.reset_parameters(
                    {
                        "input": initializer(input_init, hidden_size, None),
                        "recurrent": initializer(recurrent_init, hidden_size, None),
                    }
                )
            origins.append(origin)
            layers.append(Layer(zoned_out(built, rates), make_norm, backend))
            width = built.output_size
        self.stack = RecurrentStack(layers, dropout)
        foreign = " with ".join(dict.fromkeys(origin for origin in origins if origin))
        if foreign:
            check = FirstWindow(foreign)
            for layer in layers:
                layer.first_window = check
        self.to(device=device, dtype=dtype)
        self._draws = bool(dropout and num_layers > 1) or any(layer.cell.draws for layer in layers)
        first = layers[0].cell
        #: Where the first weight is found, whatever it is replaced by; None for a cell without any.
        self._first = next(
            (
                (m, name)
                for m in first.modules()
                for name in m._parameters
                if m._parameters[name] is not None
            ),
            None,
        )
        template = list(leaves(self.stack.initial_state(1)))
        self._form = LayerForm(input_size, batch_first, [t.shape[1:] for t in template], num_layers)
        self._standing: Standing | None = None

    @property
    def output_size(self) -> int:
        """Width of y."""
        return self.stack.output_size

    @property
    def backend(self) -> str:
        """What the layers run on, and why on nothing faster, in words."""
        return self.stack.runs

    def extra_repr(self) -> str:
        """Say the sizes."""
        return f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}"

    def initial_state(self, batch_size: int) -> RecurrentState:
        """Return the state of lanes that remember nothing: zeros, of age 0."""
        like = self._weight()
        layers = self.stack.initial_state(batch_size, device=like.device, dtype=like.dtype)
        return RecurrentState(
            layers, torch.zeros(batch_size, dtype=torch.int64, device=like.device)
        )

    def state_from_dict(self, tensors: Mapping[str, Tensor]) -> RecurrentState:
        """Return the state whose `RecurrentState.to_dict` this is.

        Raises:
            ValueError: It is of another layer; says what is missing or too much.
        """
        template = self.stack.initial_state(1)
        names = [*dict(named(template)), "age"]
        if set(names) != set(tensors):
            raise ValueError(
                f"the state has tensors {', '.join(sorted(tensors))}; expected {', '.join(sorted(names))}"
            )
        layers = rebuild(template, iter([tensors[name] for name in names]))
        state = RecurrentState(layers, tensors["age"])
        check_state("state", state, self._form, next(leaves(layers)).unsqueeze(0))
        return state

    def forward(
        self,
        x: Tensor | PackedSequence,
        state: RecurrentState | None = None,
        *,
        resets: Tensor | None = None,
        mask: Tensor | None = None,
        initial: RecurrentState | None = None,
        return_steps: Collection[int] | None = None,
    ) -> tuple[Any, Any]:
        """Run a window.

        Args:
            x: ``[T, B, I]`` (``[B, T, I]`` where ``batch_first``), ``[T, I]`` for one sequence, or a
                `PackedSequence`. On a CPU it is refused where it is not finite, for memory would stay so.
            state: What an earlier call returned, for these lanes; None for no memory. Gradients flow into it
                unless it was detached.
            resets: ``[T, B]`` bool: a lane forgets everything before this step.
            mask: ``[T, B]`` bool: False is padding, where memory stands still and does not age, and x is not
                read; y is what the cell says there and means nothing.
            initial: What a lane without memory begins with, here and where it is reset; None for zeros.
            return_steps: Numbers of steps, from 0 to T, after which the state is wanted; None for the last.

        Returns:
            y ``[T, B, H]`` (a `PackedSequence` where x is one, ``[T, H]`` for one sequence) and the state
            after each lane's last step; with ``return_steps`` a dict of states by number of steps.

        Raises:
            ValueError: A shape, dtype or device does not fit; says what came and what was expected.
        """
        if isinstance(x, PackedSequence):
            return self._packed(x, state, resets, mask, initial, return_steps)
        weight = self._weight()
        check_input(self._form, x, weight.device, weight.dtype)
        if resets is not None:
            check_mask("resets", resets, x)
        if mask is not None:
            check_mask("mask", mask, x)
        single = x.dim() == 2
        if single:
            x = x.unsqueeze(1)
            resets, mask = (None if m is None else m.unsqueeze(1) for m in (resets, mask))
        elif self.batch_first:
            x = x.transpose(0, 1)
            resets, mask = (None if m is None else m.transpose(0, 1) for m in (resets, mask))
        compiling = torch.compiler.is_compiling()
        eager = not (compiling or recorded())
        steps = x.shape[0] if compiling else int(x.shape[0])  # torch.jit.trace makes it a tensor
        if mask is not None:
            x = x.masked_fill(~mask.unsqueeze(-1), 0.0)
        if eager:
            check_finite(x)
        standing = self._standing_at(x, weight, eager)
        blank = carried = standing.empty
        if initial is not None:
            if not is_like(initial, standing.empty):
                check_state("initial", initial, self._form, x)
            blank = carried = initial
        if state is not None:
            if not is_like(state, standing.empty):
                check_state("state", state, self._form, x)
            carried = state
        masks = standing.masks(carried.age, resets, mask)
        # compiled code has no number of steps of its own: one for all lengths of windows
        last = LAST if compiling else steps
        if return_steps is not None:
            check_steps(return_steps, steps)
        wanted = (last,) if return_steps is None else tuple(return_steps)
        generator = torch.default_generator if self.training and self._draws else None
        # its forward, not the module's call, which is a microsecond more: nobody else hooks into the stack
        y, states = self.stack.forward(
            x, carried.layers, blank.layers, masks, wanted, self.training, generator
        )
        y = y.squeeze(1) if single else y.transpose(0, 1) if self.batch_first else y
        if return_steps is None:
            unmarked = resets is None and mask is None
            age = carried.age + steps if unmarked else masks.age_after(steps, carried.age)
            return y, RecurrentState(states[last], age)
        return y, {
            n: RecurrentState(states[n], masks.age_after(n, carried.age)) for n in return_steps
        }

    def _packed(
        self,
        x: PackedSequence,
        state: RecurrentState | None,
        resets: Tensor | None,
        mask: Tensor | None,
        initial: RecurrentState | None,
        return_steps: Collection[int] | None,
    ) -> tuple[PackedSequence, Any]:
        """Run packed sequences; each lane's state is the one after its own last step."""
        if mask is not None:
            raise ValueError(
                "mask was given with a PackedSequence, which says by itself what is padding"
            )
        padded, lengths = pad_packed_sequence(x, batch_first=self.batch_first)
        steps = torch.arange(int(lengths.max()))
        valid = (steps[None] < lengths[:, None]) if self.batch_first else (steps[:, None] < lengths)
        y, after = self(
            padded,
            state,
            resets=resets,
            mask=valid.to(padded.device),
            initial=initial,
            return_steps=return_steps,
        )
        return pack_padded_sequence(y, lengths, self.batch_first, enforce_sorted=False), after

    def _weight(self) -> Tensor:
        """Return a weight, which tells device and dtype, also where `functional_call` put another."""
        if self._first is None:
            return torch.empty(0)
        module, name = self._first
        weight: Tensor = getattr(module, name)
        return weight

    def _standing_at(self, x: Tensor, weight: Tensor, eager: bool) -> Standing:
        """Return what windows of a size have in common, made once for those that follow each other."""
        steps, lanes, _ = x.shape
        if not eager or type(x) is not Tensor or not steps:
            return Standing.of(x, self.initial_state(lanes))
        key = (steps, lanes, x.device, weight.dtype, torch.is_inference_mode_enabled())
        if self._standing is None or self._standing.key != key:
            self._standing = Standing.of(x, self.initial_state(lanes), key)
        return self._standing

    def __getstate__(self) -> dict[str, Any]:
        """Return what is copied and pickled: all but what is made once for a size of windows."""
        return {**self.__dict__, "_standing": None}

    @classmethod
    def from_torch(cls, layer: nn.RNNBase, **options: Any) -> Self:
        """Return a layer with the weights of an `nn.LSTM`, `nn.GRU` or `nn.RNN` (tanh).

        Args:
            layer: torch's layer; one direction, no projection, with biases.
            options: Further arguments of the constructor (``backend``, ...).
        """
        name = _OURS.get(type(layer))
        if name is None or (name == "rnn" and layer.mode != "RNN_TANH"):
            raise ValueError(
                f"{type(layer).__name__} ({layer.mode}); expected nn.LSTM, nn.GRU or nn.RNN with tanh"
            )
        refuse_what_is_not_offered(layer.bias, layer.proj_size, layer.bidirectional)
        weight = layer.weight_ih_l0
        assert isinstance(weight, Tensor)
        converted = cls(
            name,
            layer.input_size,
            layer.hidden_size,
            layer.num_layers,
            batch_first=layer.batch_first,
            dropout=layer.dropout,
            device=weight.device,
            dtype=weight.dtype,
            **options,
        )
        for i, ours in enumerate(converted.stack.each):
            parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            ours.cell.load_torch(tuple(getattr(layer, f"{part}_l{i}") for part in parts))
        return converted.train(layer.training)

    def to_torch(self) -> nn.RNNBase:
        """Return torch's own layer with these weights.

        Raises:
            ValueError: The cell is none of torch's own, or a normalizer is set.
        """
        layers = self.stack.each
        forms = [None if len(layer.norms) else torch_form_of(layer.cell) for layer in layers]
        first = forms[0]
        if first is None:
            cell = layers[0].cell
            tail = " with a normalizer" if len(layers[0].norms) else ""
            if isinstance(cell, Zoneout):
                cell, tail = cell.inner, f"{tail} with zoneout"
            raise ValueError(
                f"{type(cell).__name__}{tail} is none of torch's own layers; "
                "lstm, gru and rnn without a normalizer or zoneout are"
            )
        like = self._weight()
        make: Any = _TORCH[first.name]
        module: nn.RNNBase = make(
            self.input_size,
            self.hidden_size,
            self.num_layers,
            batch_first=self.batch_first,
            dropout=self.stack.dropout,
            device=like.device,
            dtype=like.dtype,
        )
        with torch.no_grad():
            for i, form in enumerate(forms):
                assert form is not None
                names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                for name, tensor in zip(names, form.weights, strict=True):
                    getattr(module, f"{name}_l{i}").copy_(tensor)
        return module.train(self.training)
