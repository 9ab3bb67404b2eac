"""Every cell with every normalizer."""

import itertools

import pytest
import torch
from torch.func import functional_call

from memcell_plugins import memcell_cells, memcell_normalizers
from memcell_plugins.cells.specs import RECENT

PAIRS = list(itertools.product(memcell_cells(), memcell_normalizers()))
IDS = [f"{cell.name}-{norm.name}" for cell, norm in PAIRS]
CELLS = memcell_cells()
#: Gradient checks of the cells of the last decade with every normalizer are slow tests.
CHECKED = [
    pytest.param(
        c,
        n,
        marks=pytest.mark.slow if c in RECENT and n.name not in ("none", "batch") else (),
        id=i,
    )
    for (c, n), i in zip(PAIRS, IDS, strict=True)
]
T, B, INPUTS, H = 3, 5, 2, 4


@pytest.fixture
def parts(build, fill):
    def make(cell_spec, norm_spec, **cell_options):
        cell = fill(build(cell_spec, INPUTS, H, **cell_options).double(), seed=1)
        few = {"min_lanes": 2} if norm_spec.reduces_batch else {}
        norms = {
            site: fill(build(norm_spec, width, **few).double(), seed=2, scale=1)
            for site, width in cell.norm_sites.items()
        }
        return cell, torch.nn.ModuleDict(norms)

    return make


def inputs(seed=3):
    return torch.randn(T, B, INPUTS, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize(("cell_spec", "norm_spec"), PAIRS, ids=IDS)
def test_shapes_and_finite_gradients(parts, run, cell_spec, norm_spec):
    cell, norms = parts(cell_spec, norm_spec)
    ran = run(cell, inputs(), norms)
    assert ran.outputs.shape == (T, B, cell.output_size)
    assert type(ran.state) is cell.state_type
    assert list(cell.state_spec) == list(cell.state_type._fields)
    for part, shape in zip(ran.state, cell.state_spec.values(), strict=True):
        assert part.shape == (B, *shape)
    # not the plain sum: its gradient is exactly 0 behind a batch mean
    (ran.outputs * torch.randn(ran.outputs.shape).double()).sum().backward()
    for name, parameter in [*cell.named_parameters(), *norms.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("cell_spec", "norm_spec"), CHECKED)
def test_gradients_are_the_derivatives(parts, run, cell_spec, norm_spec):
    cell, norms = parts(cell_spec, norm_spec)
    _check_gradients(cell, norms, run)


@pytest.mark.parametrize("cell_spec", CELLS, ids=lambda s: s.name)
def test_gradients_through_lanes_of_mixed_ages(parts, run, cell_spec):
    batch = next(n for n in memcell_normalizers() if n.name == "batch")
    cell, norms = parts(cell_spec, batch)
    ages = torch.tensor([0, 0, 7, 7, 3]) + torch.arange(T).unsqueeze(1)
    valid = torch.ones(T, B, dtype=torch.bool)
    valid[1:, 3] = False
    _check_gradients(cell, norms, run, ages=ages, valid=valid)


def _check_gradients(cell, norms, run, **window):
    module = torch.nn.ModuleDict({"cell": cell, "norms": norms})
    names = [name for name, _ in module.named_parameters()]

    class Loop(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = module

        def forward(self, x):
            return run(self.inner["cell"], x, self.inner["norms"], **window).outputs

    def outputs(x, *parameters):
        replaced = {f"inner.{n}": p for n, p in zip(names, parameters, strict=True)}
        return functional_call(Loop(), replaced, (x,))

    parameters = [p.detach().clone().requires_grad_() for p in module.parameters()]
    x = inputs().requires_grad_()
    assert torch.autograd.gradcheck(outputs, (x, *parameters), fast_mode=True)


@pytest.mark.parametrize("spec", CELLS, ids=lambda s: s.name)
def test_reset_parameters_fills_every_matrix_and_is_repeatable(build, spec):
    def fresh(seed):
        cell = build(spec, INPUTS, H)
        torch.manual_seed(seed)  # the engine's own: what a cell draws by itself
        generator = torch.Generator().manual_seed(seed)

        @torch.no_grad()
        def normal(weight):
            torch.nn.init.normal_(weight, generator=generator)

        cell.reset_parameters({"input": normal, "recurrent": normal})
        return cell.state_dict()

    first, same, other = fresh(1), fresh(1), fresh(2)
    for name, values in first.items():
        assert torch.equal(values, same[name])
        if values.dim() == 2:
            assert (values != 0).all(), name
            assert not torch.equal(values, other[name])


@pytest.mark.parametrize("spec", CELLS, ids=lambda s: s.name)
def test_step_changes_nothing_it_was_given(build, fill, spec):
    cell = fill(build(spec, INPUTS, H).double())
    p = cell.project(inputs())[0]
    state = cell.state_type(*(torch.randn(B, *s).double() for s in cell.state_spec.values()))
    before = [p.clone(), *(part.clone() for part in state)]
    kept = {name: v.clone() for name, v in cell.state_dict().items()}
    once = cell.step(p, state, lambda site, z: z)
    twice = cell.step(p, state, lambda site, z: z)
    assert all(torch.equal(a, b) for a, b in zip(before, [p, *state], strict=True))
    assert all(torch.equal(v, kept[name]) for name, v in cell.state_dict().items())
    assert torch.equal(once[0], twice[0])


@pytest.mark.parametrize("spec", CELLS, ids=lambda s: s.name)
def test_norm_is_asked_for_each_site_once(build, fill, spec):
    cell = fill(build(spec, INPUTS, H).double())
    asked = []

    def norm(site, z):
        asked.append(site)
        return z

    cell.step(cell.project(inputs())[0], cell.initial_state(B, dtype=torch.float64), norm)
    assert sorted(asked) == sorted(cell.norm_sites)


@pytest.mark.parametrize("spec", [c for c in CELLS if c.name in ("lstm", "peephole", "cifg")])
def test_the_carried_cell_is_never_normalized(build, fill, spec):
    """The site 'cell' acts on the way out only."""
    cell = fill(build(spec, INPUTS, H).double())
    p, state = cell.project(inputs())[0], cell.initial_state(B, dtype=torch.float64)
    plain, after = cell.step(p, state, lambda site, z: z)
    output, changed = cell.step(p, state, lambda site, z: 3 * z if site == "cell" else z)
    assert torch.equal(after.c, changed.c)
    assert not torch.allclose(plain, output)
