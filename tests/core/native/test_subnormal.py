"""Subnormal numbers are zeros within a loop, on every thread of it, and nowhere after it."""

from __future__ import annotations

import ctypes
import platform
import sys

import pytest
import torch

from memcell.backends import Layer, StepMasks, Stepper
from memcell.backends.subnormal import flushed
from memcell.plugins import default_registry
from memcell.recurrent.state import leaves
from memcell_compiler.build.target import chosen
from memcell_compiler.build.unit import load
from memcell_compiler.runtime import threads

CELLS = default_registry().names("cell")
STEPS, LANES, SIZE = 160, 6, 5
INTEL = platform.machine().lower() in ("x86_64", "amd64")

#: Reads (or sets) the floating point control word of the thread that it runs on, as a program of a window.
WORDS = """
#include "flush.h"
#include "base.h"
static uint64_t word(void) {
#if defined(__SSE__)
  return _mm_getcsr() & 0xffc0u; /* without the sticky bits, which any division sets */
#elif defined(__aarch64__)
  uint64_t was; __asm__ volatile("mrs %0, fpcr" : "=r"(was)); return was;
#else
  return 0;
#endif
}
void read_word(const struct window *w, real *const *p, const real *packed, real *scratch, long tid) {
  *(uint64_t *)scratch = word();
}
void set_word(uint64_t to) { flush_end(to); }
"""


def least(dtype):
    return torch.finfo(dtype).tiny


def subnormals(*tensors):
    return sum(int(((t != 0) & (t.abs() < least(t.dtype))).sum()) for t in tensors)


def window(steps=STEPS, lanes=LANES):
    no = torch.zeros(steps, lanes, dtype=torch.bool)
    return StepMasks.of(no, ~no, torch.zeros(lanes, dtype=torch.int64))


def fading(name, way):
    """A layer whose memory and gradient both fade to nothing within a window."""
    entry = default_registry().get("cell", name)
    cell = entry.build(3, SIZE, entry.config({}))
    torch.manual_seed(0)
    for p in cell.parameters():
        torch.nn.init.normal_(p, std=0.05)
    return Layer(cell, None, way)


def trained(layer, way_threads=1):
    """Outputs, states and gradients of a window with a pulse at each end, the loss at its last step."""
    torch.set_num_threads(way_threads)
    x = torch.zeros(STEPS, LANES, 3)
    x[0] = 1e-3
    x.requires_grad_()
    state = layer.cell.initial_state(LANES)
    state = type(state)(*((p + 1e-3).requires_grad_() for p in leaves(state)))
    y, states = layer(x, state, state, window(), (STEPS,), True)
    loss = y[-1].sum() + sum(p.sum() for p in leaves(states[STEPS]))
    gradients = torch.autograd.grad(loss, [x, *leaves(state)], allow_unused=True)
    torch.set_num_threads(1)
    return [t.detach() for t in (y, *leaves(states[STEPS]), *gradients) if t is not None]


@pytest.fixture(scope="module")
def control_word():
    """Functions that read the word of this thread and of all threads of a team, and set this thread's."""
    library = load(WORDS, torch.float32, chosen())
    library.set_word.argtypes = (ctypes.c_uint64,)
    library.read_word.argtypes = (ctypes.c_void_p,) * 4 + (ctypes.c_long,)

    class Word:
        set = staticmethod(library.set_word)

        def each(self, count):
            found = (ctypes.c_uint64 * count)()
            described = threads_window(count)
            arrays = [(ctypes.c_void_p * 1)()] * count
            places = [ctypes.addressof(found) + 8 * i for i in range(count)]
            threads.run_program(library.read_word, ctypes.addressof(described), arrays, 0, places)
            return list(found)

        @property
        def now(self):
            return self.each(1)[0]

    return Word()


def threads_window(count):
    from memcell_compiler.runtime.window import Window

    described = Window()
    described.threads = count
    return described


@pytest.mark.parametrize("name", CELLS)
def test_no_number_of_a_generated_loop_is_subnormal(name):
    assert subnormals(*trained(fading(name, "native"))) == 0


def test_gradient_has_subnormals_without_flushing():
    """The same window where nothing is flushed: else the test above could not fail."""
    cell = fading("gru", "eager").cell
    x = torch.zeros(STEPS, LANES, 3, requires_grad=True)
    state = type(cell.initial_state(LANES))(torch.full((LANES, SIZE), 1e-3))
    y = state
    for p in cell.project(x).unbind(0):
        out, y = cell.step(p, y, lambda site, z: z)
    (dx,) = torch.autograd.grad(out.sum(), x)
    assert subnormals(dx) > 0


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_thread_has_its_own_mode_back(control_word, count):
    before = control_word.each(count)
    trained(fading("gru", "native"), count)
    stepper = Stepper(fading("gru", "native"))
    stepper.step(torch.zeros(1, 3))
    assert control_word.each(count) == before
    torch.set_num_threads(count)
    tiny = torch.full((50_000,), least(torch.float32))  # large enough to be shared among threads
    assert bool(((tiny * 0.5) != 0).all())
    torch.set_num_threads(1)


@pytest.mark.skipif(not INTEL, reason="bits of MXCSR")
@pytest.mark.parametrize(
    "own", [0x1F80 | 0x8000, 0x1F80 | 0x0040, 0x1F80 | 0x8040, 0x1F80 | 0x6000]
)
def test_a_mode_that_a_person_set_stays(control_word, own):
    """Results only, operands only, both; and rounding towards zero."""
    before = control_word.now
    control_word.set(own)
    try:
        for way in ("native", "eager"):
            trained(fading("rnn", way))
            assert control_word.now == own, way
    finally:
        control_word.set(before)


def test_the_eager_loop_flushes_and_gives_the_mode_back(control_word):
    before = control_word.now
    y, *_ = trained(fading("rnn", "eager"))
    assert subnormals(y) == 0
    assert control_word.now == before
    with flushed():
        assert sys.float_info.min * 0.5 == 0
    with pytest.raises(ZeroDivisionError), flushed():
        raise ZeroDivisionError
    assert control_word.now == before


def test_normal_numbers_are_not_touched():
    """What is above the least normal number is the same in both loops, in float64 to rounding."""
    cell = fading("lstm", "native").cell.double()
    x = torch.randn(9, LANES, 3, dtype=torch.float64)
    state = cell.initial_state(LANES, dtype=torch.float64)
    native, eager = (
        Layer(cell, None, way)(x, state, state, window(9), (9,), False).outputs
        for way in ("native", "eager")
    )
    assert torch.allclose(native, eager, rtol=1e-12, atol=0)
