"""A second device that computes: tensors on "meta" that hold their numbers, and refuse what a GPU refuses."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest
import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from memcell.applications.app import Task
from memcell.plugins import default_registry
from memcell.probes.scheduler import observe
from memcell.runs.run_folder import RunFolder
from memcell.sequences import TimeSeries
from memcell.training.parts import build_parts
from memcell.training.trainer import Trainer
from stopping import StopAfter

aten = torch.ops.aten
#: Take tensors of several devices by their nature.
MOVES = {aten.copy_.default, aten._to_copy.default, aten.lift_fresh.default}
#: On a GPU too, places may be given by tensors on the CPU.
INDEXED = {
    aten.index.Tensor,
    aten.index_put_.default,
    aten.index_put.default,
    aten._index_put_impl_.default,
}


class Elsewhere(torch.Tensor):
    """A tensor that is not on the CPU; ``inner`` holds its numbers."""

    @staticmethod
    def __new__(cls, inner, requires_grad=False):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device="meta",
            requires_grad=requires_grad,
        )

    def __init__(self, inner, requires_grad=False):
        self.inner = inner

    def __repr__(self, **_):
        return f"Elsewhere({self.inner})"

    def tolist(self):
        return self.inner.tolist()

    def numpy(self, **_):
        raise TypeError("can't convert a tensor that is not on the CPU to numpy: use .cpu() first")

    def __array__(self, *_):
        return self.numpy()

    def data_ptr(self):
        return self.inner.data_ptr()

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})


def run(func, args, kwargs):
    """Do an operation on the numbers, and put the result where a GPU would."""
    given = [t for t in pytree.tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
    there = [t for t in given if isinstance(t, Elsewhere)]
    asked = kwargs.get("device")
    if func not in MOVES and there:
        refuse_mixing(func, args, given)
    if kwargs.get("generator") is not None and (there or str(asked) == "meta"):
        raise RuntimeError(f"{func}: a generator of the CPU cannot draw on another device")
    if asked is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    inner_args, inner_kwargs = pytree.tree_map(
        lambda t: t.inner if isinstance(t, Elsewhere) else t, (args, kwargs)
    )
    out = func(*inner_args, **inner_kwargs)
    if func is aten.copy_.default:  # the result is where it is written to
        return args[0]
    if str(asked) == "cpu" or (not there and str(asked) != "meta"):
        return out
    known = {id(t.inner): t for t in there}

    def wrap(t):
        if not isinstance(t, torch.Tensor):
            return t
        return known[id(t)] if id(t) in known else Elsewhere(t)

    return pytree.tree_map(wrap, out)


def refuse_mixing(func, args, given):
    """Raise what a GPU raises where an operation is given tensors on the CPU as well."""
    places = {id(t) for t in pytree.tree_leaves(args[1])} if func in INDEXED else set()
    if func in INDEXED and not isinstance(args[0], Elsewhere):
        raise RuntimeError(f"{func}: a tensor on the CPU, and places or values on another device")
    for t in given:
        if not isinstance(t, Elsewhere) and t.is_meta:
            raise RuntimeError(
                f"{func}: a tensor without numbers, which these tests did not see being made"
            )
        # a number as a tensor without a dimension may stand beside others
        if not isinstance(t, Elsewhere) and t.dim() and id(t) not in places:
            raise RuntimeError(
                f"{func}: expected all tensors on the same device, found one of {tuple(t.shape)} on the CPU"
            )


class OnDevice(TorchDispatchMode):
    """Makes what is asked for on the device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})


@pytest.fixture
def elsewhere(monkeypatch):
    """Within the test, ``torch.device("meta")`` computes; that device is the value."""
    # there is no autocast for it, and none is asked for
    real = torch.autocast

    def autocast(device_type, *args, **kwargs):
        if device_type != "meta":
            return real(device_type, *args, **kwargs)
        return contextlib.nullcontext()

    made = torch.tensor

    def tensor(data, *, device=None, **kwargs):  # which no mode sees being made
        found = made(data, **kwargs)
        return found if device is None else found.to(device)

    monkeypatch.setattr(torch, "autocast", autocast)
    monkeypatch.setattr(torch, "tensor", tensor)
    # a tensor that holds its numbers in an attribute has to be replaced, not refilled
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with OnDevice():
            yield torch.device("meta")
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)


REGISTRY = default_registry()
#: So that the parts have something to do in the few updates of the toy task.
OPTIONS = {
    "batch": {"min_lanes": 2},
    "batch_shared": {"min_lanes": 2},
    "fitted_noise": {"least": 3, "pool": 5},
    "stored_burn_in": {"steps": 4},
    "refresh": {"reset_each_epoch": False},
    "gated_memory": {"mode": "learned"},
    "burn_in": {"steps": 4},
}
#: Steps and breaks of each recording.
LENGTHS = [(21, (9,)), (12, ()), (17, (5, 6)), (3, ())]
TRAINING = {"epochs": 2, "backend": "eager", "time_steps": 5, "batch_size": 3}


def recording(name, n_steps, seed, breaks=()):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n_steps, 3)).astype(np.float32)
    targets = (features[:, 0] > 0).astype(np.int64)
    return TimeSeries(
        name=name, subject=name, features=features, targets=targets, breaks=tuple(breaks)
    )


@pytest.fixture
def small_task():
    train = [recording(f"s{i}", n, i, b) for i, (n, b) in enumerate(LENGTHS)]
    return Task(
        train=tuple(train),
        valid=(recording("v", 11, 50, (4,)),),
        test=(recording("t", 13, 60),),
        n_classes=2,
        main_score="accuracy",
    )


#: Normalizers whose statistics are those of the two or three lanes of a window. Divided by deviations near
#: zero, and by Adam where a gradient is zero but for rounding, float32's rounding grows in ten updates to
#: anything between 0.1 % and a factor of 40, on one device as between two; float64's stays below 1e-4.
OF_FEW_LANES = ("batch", "batch_shared")


@pytest.fixture
def trainer_on(make_config, small_task, tmp_path):
    """``trainer_on(device, folder, **how)`` makes a trainer; ``dtype`` is the type of its weights."""

    def make(device, where, dtype=None, **how):
        if dtype is None:
            dtype = torch.float64 if how.get("normalizer") in OF_FEW_LANES else torch.float32
        for kind, name in list(how.items()):
            if isinstance(name, str):
                how[kind] = (name, OPTIONS.get(name, {}))
        training = {**TRAINING, **how.pop("training", {})}
        config = make_config(training=training, **how)
        before = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            parts = build_parts(config, REGISTRY, Encoded(), small_task, torch.device(device))
        finally:
            torch.set_default_dtype(before)
        path = tmp_path / where
        path.mkdir(exist_ok=True)
        trainer = Trainer(config.training, "carry", small_task, parts, RunFolder(path))
        observe(trainer, RunFolder(path), config, REGISTRY)
        return trainer

    return make


class Encoder(torch.nn.Linear):
    """A linear layer that takes features of any type."""

    output_size = 4

    def forward(self, x):
        return super().forward(x.to(self.weight.dtype))


class Encoded:
    """An app whose encoder has weights."""

    def encoder(self, n_features):
        return Encoder(n_features, Encoder.output_size)


@pytest.fixture
def same_lines():
    """Compares two files of JSON lines, numbers within rounding."""
    return same


def same(got, wanted):
    """Compare lines of numbers: another device, and a replay of more lanes, round sums in another order."""
    lines = [[json.loads(line) for line in p.read_text().splitlines()] for p in (got, wanted)]
    close(*lines)


def close(got, wanted):
    assert type(got) is type(wanted)
    if isinstance(wanted, dict):
        assert got.keys() == wanted.keys()
        for name in wanted:
            close(got[name], wanted[name])
    elif isinstance(wanted, list):
        assert len(got) == len(wanted)
        for a, b in zip(got, wanted, strict=True):
            close(a, b)
    elif isinstance(wanted, float):
        assert got == pytest.approx(wanted, rel=5e-4, abs=1e-5)
    else:
        assert got == wanted


@pytest.fixture
def stop_after():
    """``stop_after(n)`` asks to stop when it was asked for the nth time."""
    return StopAfter
