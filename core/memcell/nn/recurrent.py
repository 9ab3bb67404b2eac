"""A drop-in for `torch.nn.LSTM` with any cell and any normalizer, and memory that can be carried."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from memcell.backends import Layer, RecurrentStack, StepMasks
from memcell.backends.choose import CHOICES
from memcell.backends.first_window import FirstWindow
from memcell.errors import UsageError
from memcell.nn.state import RecurrentState
from memcell.plugins import default_registry
from memcell.recurrent.cell import Cell
from memcell.recurrent.initializers import initializer
from memcell.recurrent.normalizer import Normalizer
from memcell.recurrent.window_call import LAST

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
            if not isinstance(size, int) or size < 1:
                raise ValueError(f"{name}={size!r}; expected a whole number from 1")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout={dropout!r}; expected a share from 0 to below 1")
        if backend not in CHOICES:
            raise ValueError(f"backend={backend!r}; expected one of {', '.join(CHOICES)}")
        _refuse_what_is_not_offered(bias, proj_size, bidirectional)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.batch_first = batch_first
        make_norm, norm_origin = _normalizers(normalizer, dict(normalizer_options or {}))
        layers, width, origins = [], input_size, [norm_origin]
        for _ in range(num_layers):
            built, origin = _cell(cell, width, hidden_size, num_layers, dict(cell_options or {}))
            if not isinstance(cell, Cell):
                built.reset_parameters(
                    {
                        "input": initializer(input_init, hidden_size, None),
                        "recurrent": initializer(recurrent_init, hidden_size, None),
                    }
                )
            origins.append(origin)
            layers.append(Layer(built, make_norm, backend))
            width = built.output_size
        self.stack = RecurrentStack(layers, dropout)
        foreign = " with ".join(dict.fromkeys(origin for origin in origins if origin))
        if foreign:
            check = FirstWindow(foreign)
            for layer in layers:
                layer.first_window = check
        self.to(device=device, dtype=dtype)
        self._draws = bool(dropout and num_layers > 1) or any(layer.cell.draws for layer in layers)
        self._template = self.stack.initial_state(1)

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
        like = self._like()
        layers = self.stack.initial_state(batch_size, device=like.device, dtype=like.dtype)
        return RecurrentState(
            layers, torch.zeros(batch_size, dtype=torch.int64, device=like.device)
        )

    def forward(
        self,
        x: Tensor | PackedSequence,
        state: RecurrentState | None = None,
        *,
        resets: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Any, RecurrentState]:
        """Run a window.

        Args:
            x: ``[T, B, I]`` (``[B, T, I]`` where ``batch_first``), ``[T, I]`` for one sequence, or a
                `PackedSequence`.
            state: What an earlier call returned, for these lanes; None for no memory. Gradients flow into it
                unless it was detached.
            resets: ``[T, B]`` bool: a lane forgets everything before this step.
            mask: ``[T, B]`` bool: False is padding, where memory stands still and does not age; y is
                what the cell says there and means nothing.

        Returns:
            y ``[T, B, H]`` (a `PackedSequence` where x is one, ``[T, H]`` for one sequence) and the state
            after each lane's last step.

        Raises:
            ValueError: A shape, dtype or device does not fit; says what came and what was expected.
        """
        if isinstance(x, PackedSequence):
            return self._packed(x, state, resets, mask)
        single = x.dim() == 2
        if single:
            x = x.unsqueeze(1)
            resets, mask = (None if m is None else m.reshape(-1, 1) for m in (resets, mask))
        elif self.batch_first:
            x = x.transpose(0, 1)
            resets, mask = (None if m is None else m.transpose(0, 1) for m in (resets, mask))
        self._check(x, state, resets, mask)
        lanes = x.shape[1]
        empty = self.initial_state(lanes)
        carried = empty if state is None else state
        masks = _masks(x, carried.age, resets, mask)
        # compiled code has no number of steps of its own: one for all lengths of windows
        last = LAST if torch.compiler.is_compiling() else x.shape[0]
        generator = torch.default_generator if self.training and self._draws else None
        y, states = self.stack(
            x, carried.layers, empty.layers, masks, (last,), self.training, generator
        )
        after = RecurrentState(states[last], masks.age_after(x.shape[0], carried.age))
        if single:
            return y.squeeze(1), after
        return (y.transpose(0, 1) if self.batch_first else y), after

    def _packed(
        self,
        x: PackedSequence,
        state: RecurrentState | None,
        resets: Tensor | None,
        mask: Tensor | None,
    ) -> tuple[PackedSequence, RecurrentState]:
        """Run packed sequences; each lane's state is the one after its own last step."""
        if mask is not None:
            raise ValueError(
                "mask was given with a PackedSequence, which says by itself what is padding"
            )
        padded, lengths = pad_packed_sequence(x, batch_first=self.batch_first)
        steps = torch.arange(int(lengths.max()))
        valid = (steps[None] < lengths[:, None]) if self.batch_first else (steps[:, None] < lengths)
        y, after = self(padded, state, resets=resets, mask=valid.to(padded.device))
        return pack_padded_sequence(y, lengths, self.batch_first, enforce_sorted=False), after

    def _like(self) -> Tensor:
        found = next(self.stack.parameters(), None)
        return torch.empty(0) if found is None else found

    def _check(
        self, x: Tensor, state: RecurrentState | None, resets: Tensor | None, mask: Tensor | None
    ) -> None:
        order = "[B, T, I]" if self.batch_first else "[T, B, I]"
        if x.dim() != 3:
            raise ValueError(f"x has shape {list(x.shape)}; expected {order} or [T, I]")
        if x.shape[2] != self.input_size:
            raise ValueError(
                f"x has {x.shape[2]} features a step; expected {self.input_size} ({order})"
            )
        like = self._like()
        if x.device != like.device:
            raise ValueError(
                f"x is on {x.device}, the layer on {like.device}: x.to({str(like.device)!r})"
            )
        if x.dtype != like.dtype and not torch.is_autocast_enabled(x.device.type):
            raise ValueError(f"x is {x.dtype}, the layer {like.dtype}: x.to({like.dtype})")
        shape = x.shape[:2]
        for name, given in (("resets", resets), ("mask", mask)):
            if given is None:
                continue
            if given.shape != shape or given.dtype != torch.bool:
                expected, received = list(shape), list(given.shape)
                if self.batch_first and given.dim() > 1:
                    expected, received = expected[::-1], [received[1], received[0], *received[2:]]
                raise ValueError(
                    f"{name} is {given.dtype} of shape {received}; expected torch.bool of shape {expected}"
                )
        if state is None:
            return
        if not isinstance(state, RecurrentState):
            raise ValueError(
                f"state is a {type(state).__name__}; expected the state that this layer returned, "
                "or rnn.initial_state(batch_size)"
            )
        wrong = state.same_form(self._template)
        if wrong:
            raise ValueError(f"state is of another layer: {wrong}")
        if state.batch_size != shape[1]:
            raise ValueError(
                f"state has {state.batch_size} lanes, x has {shape[1]}: state.lanes(...) chooses some, "
                "RecurrentState.cat([...]) puts some together"
            )

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
        _refuse_what_is_not_offered(layer.bias, layer.proj_size, layer.bidirectional)
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
        forms = [None if len(layer.norms) else layer.cell.torch_form() for layer in layers]
        first = forms[0]
        if first is None:
            tail = " with a normalizer" if len(layers[0].norms) else ""
            raise ValueError(
                f"{type(layers[0].cell).__name__}{tail} is none of torch's own layers; "
                "lstm, gru and rnn without a normalizer are"
            )
        like = self._like()
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


def _masks(x: Tensor, age: Tensor, resets: Tensor | None, mask: Tensor | None) -> StepMasks:
    """Return a window's resets, padding and ages; without reading anything back where nothing was given."""
    steps, lanes = x.shape[:2]
    no = torch.zeros(steps, lanes, dtype=torch.bool, device=x.device)
    if resets is None and mask is None:
        ages = age + torch.arange(steps, device=x.device)[:, None]
        if torch.compiler.is_compiling():
            return StepMasks.unspecialized(no, ~no, ages)
        return StepMasks(
            resets=no,
            valid=~no,
            ages=ages,
            any_reset=(False,) * steps,
            all_valid=(True,) * steps,
        )
    return StepMasks.of(no if resets is None else resets, ~no if mask is None else mask, age)


def _refuse_what_is_not_offered(bias: bool, proj_size: int, bidirectional: bool) -> None:
    if not bias:
        raise ValueError(
            "bias=False; cells have their own biases: set them to zero and freeze them"
        )
    if proj_size:
        raise ValueError(f"proj_size={proj_size}; write an nn.Linear behind the layer")
    if bidirectional:
        raise ValueError(
            "bidirectional=True; memory that is carried forward has no counterpart backwards: "
            "run a second Recurrent over x.flip(0) and join the outputs"
        )


def _cell(
    cell: str | type[Cell] | Cell, width: int, hidden: int, layers: int, options: dict[str, Any]
) -> tuple[Cell, str]:
    """Return a cell, and whose code it is where it is not built in."""
    if isinstance(cell, Cell):
        if layers > 1 or options:
            raise ValueError(
                "a cell that is made already is one layer, with its options; give its class or name"
            )
        if (cell.input_size, cell.hidden_size) != (width, hidden):
            raise ValueError(
                f"the cell takes {cell.input_size} features and has {cell.hidden_size} units; "
                f"expected {width} and {hidden}"
            )
        return cell, f"cell {type(cell).__name__}"
    if isinstance(cell, type) and issubclass(cell, Cell):
        try:
            inspect.signature(cell).bind(width, hidden, **options)
        except TypeError as error:
            raise ValueError(
                f"{cell.__name__}(input_size, hidden_size, **cell_options): {error}; a plugin's class takes "
                "cell_options={'config': ITS_CONFIG()}, its name takes the options themselves"
            ) from None
        return cell(width, hidden, **options), f"cell {cell.__name__}"
    if not isinstance(cell, str):
        raise ValueError(f"cell is {cell!r}; expected a name, a class of cells, or a cell")
    entry = default_registry().get("cell", cell)
    built = entry.build(width, hidden, entry.config(options))
    if not isinstance(built, Cell):
        raise UsageError(f"{entry.origin} built a {type(built).__name__}; expected a Cell")
    return built, "" if entry.built_in else entry.origin


def _normalizers(
    normalizer: str | Callable[..., Normalizer] | None, options: dict[str, Any]
) -> tuple[Callable[[int], Normalizer] | None, str]:
    """Return what makes the normalizer of a width, and whose code it is where it is not built in."""
    if normalizer is None or normalizer == "none":
        return None, ""
    if isinstance(normalizer, Normalizer):
        raise ValueError(
            "normalizer is one instance; expected a name or a class, for each site gets its own"
        )
    if not isinstance(normalizer, str):
        return _OfClass(
            normalizer, options
        ), f"normalizer {getattr(normalizer, '__name__', normalizer)}"
    entry = default_registry().get("normalizer", normalizer)
    return _OfEntry(entry, entry.config(options)), "" if entry.built_in else entry.origin


class _OfClass:
    """Makes normalizers of a class; no closure, so that a layer can be pickled."""

    def __init__(self, make: Callable[..., Normalizer], options: dict[str, Any]) -> None:
        self.make, self.options = make, options

    def __call__(self, width: int) -> Normalizer:
        return self.make(width, **self.options)


class _OfEntry:
    """Makes normalizers of a plugin."""

    def __init__(self, entry: Any, config: Any) -> None:
        self.entry, self.config = entry, config

    def __call__(self, width: int) -> Normalizer:
        normalizer: Normalizer = self.entry.build(width, self.config)
        return normalizer
