"""A random cell as lines of Python: what is drawn, and the source it makes."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from memcell.testing.random_cells import operations
from memcell.testing.random_cells.trial import Case

INPUT = 3
#: Cells of this number and above have lines of more dimensions; those below are what they always were.
ARRAYS = 10_000
#: Those of this number and above have, mostly, products of joined given values and halves of one product.
JOINS = 100_000


@dataclass(frozen=True)
class Statement:
    """A statement of a step.

    Args:
        name: The variable that it sets.
        code: Its value; other variables stand in braces.
        width: Columns of the value.
    """

    name: str
    code: str
    width: int

    @property
    def reads(self) -> set[str]:
        """Variables that it is computed from."""
        return operations.names_in(self.code)


@dataclass(frozen=True)
class RandomCell:
    """A cell.

    Args:
        seed: It is made of this.
        given: What a step is given: variable to its Python expression.
        widths: Of these.
        project: What ``project`` returns, an expression a part.
        states: Width of each part of the state.
        tensors: What ``__init__`` makes: attribute to its Python expression.
        lines: Of the step, in order.
        ends: Variables: the output, then each part of the next state.
        sites: Norm sites and their widths.
        normalizer: Name of the normalizer of every site.
        flow: What the gradient between steps is multiplied by, or 1.
        cases: Windows that it is run over.
    """

    seed: int
    given: dict[str, str]
    widths: dict[str, int]
    project: tuple[str, ...]
    states: dict[str, int]
    tensors: dict[str, str]
    lines: tuple[Statement, ...]
    ends: tuple[str, ...]
    sites: dict[str, int]
    normalizer: str
    flow: float
    cases: tuple[Case, ...]

    def width(self, name: str) -> int:
        """Return the columns of a variable."""
        found = {line.name: line.width for line in self.lines}
        return found[name] if name in found else self.widths[name]

    def needed(self) -> RandomCell:
        """Return it without lines that nothing wanted reads."""
        names = set(self.ends)
        kept: list[Statement] = []
        for line in reversed(self.lines):
            if line.name in names:
                names |= line.reads
                kept.append(line)
        return replace(self, lines=tuple(reversed(kept)))

    def source(self) -> str:
        """Return the module that defines the class ``RandomCell``."""
        text = "\n".join(line.code for line in self.lines)
        tensors = [
            f"        self.{n} = {code}"
            for n, code in self.tensors.items()
            if f"self.{n}" in text or any(f"self.{n}" in p for p in self.project)
        ]
        tensors = tensors or ["        self.unused = weight(0, 1)"]
        sites = {s: w for s, w in self.sites.items() if f'"{s}"' in text}
        used = set(self.ends).union(*(line.reads for line in self.lines))
        parts = ", ".join(self.project)
        body = [f"        {n} = {code}" for n, code in self.given.items() if n in used]
        body += [f"        {line.name} = {operations.plain(line.code)}" for line in self.lines]
        output, *after = self.ends
        return "\n".join(
            [
                _PRELUDE,
                "class State(NamedTuple):",
                *(f"    {s}: torch.Tensor" for s in self.states),
                "\n",
                "class RandomCell(Cell):",
                "    state_type = State",
                f"    state_spec = { ({s: (w,) for s, w in self.states.items()})!r}",
                f"    norm_sites = {sites!r}",
                f"    output_size = {self.width(output)}",
                "",
                "    def __init__(self):",
                f"        super().__init__({INPUT}, {max(self.states.values())})",
                *tensors,
                "",
                "    def project(self, x):",
                f"        return {parts if len(self.project) == 1 else f'({parts})'}",
                "",
                "    def step(self, p, s, norm):",
                *body,
                f"        return {output}, State({', '.join(after)})",
                "",
            ]
        )

    def script(self) -> str:
        """Return a script that shows how the cell differs."""
        cases = ", ".join(map(repr, self.cases))
        return (
            f"# python -m memcell.testing.random_cells --seed {self.seed} --count 1\n{self.source()}\n\n"
            "from memcell.testing.random_cells import Case, compare\n\n"
            f"print(compare(RandomCell(), {self.normalizer!r}, {self.flow!r}, [{cases}]))\n"
        )


_PRELUDE = """from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from memcell.recurrent import Cell


def numbers(seed, *shape):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=g, dtype=torch.float64) * (0.7 / shape[-1] ** 0.5)


def weight(seed, *shape):
    return nn.Parameter(numbers(seed, *shape))


"""


@dataclass
class _Drawing:
    rng: random.Random
    tensors: dict[str, str] = field(default_factory=dict)
    sites: dict[str, int] = field(default_factory=dict)
    widths: dict[str, int] = field(default_factory=dict)
    lines: list[Statement] = field(default_factory=list)

    def any(self, width: int | None = None) -> str:
        """Return a variable, rather a late one."""
        names = [n for n, w in self.widths.items() if width is None or w == width]
        return names[-1 - min(int(self.rng.expovariate(0.3)), len(names) - 1)]

    def has(self, width: int) -> bool:
        return width in self.widths.values()

    def tensor(self, make: str, *shape: int) -> str:
        """Return a weight or a constant of a shape: a new one, or one that is there."""
        ending = f", {', '.join(map(str, shape))})"
        same = [n for n, c in self.tensors.items() if c == f"{make}({n[1:]}{ending}"]
        if same and self.rng.random() < 0.3:
            return f"self.{self.rng.choice(same)}"
        name = f"{make[0]}{len(self.tensors)}"
        self.tensors[name] = f"{make}({len(self.tensors)}{ending}"
        return f"self.{name}"

    def add(self, code: str, width: int) -> str:
        name = f"v{len(self.lines)}"
        self.lines.append(Statement(name, code, width))
        self.widths[name] = width
        return name

    def fitted(self, width: int) -> str:
        """Return a variable of a width, made where there is none."""
        if self.has(width) and self.rng.random() < 0.9:
            return self.any(width)
        name = self.any()
        have = self.widths[name]
        if have > width and self.rng.random() < 0.5:
            start = self.rng.randint(0, have - width)
            return self.add(f"{{{name}}}[:, {start}:{start + width}]", width)
        weight = self.tensor("weight", width, have)
        return self.add(f"F.linear({{{name}}}, {weight})", width)


def draw(seed: int) -> RandomCell:
    """Return the cell of a number."""
    rng = random.Random(seed)
    d = _Drawing(rng)
    h = 64 if rng.random() < 0.02 else rng.choice([2, 3, 4, 4, 6, 8])
    n_states = rng.choice([1, 1, 2, 2, 3])
    others = [h, h, h, rng.choice([1, 2, 4, 5])]
    states = {"abc"[i]: h if i == 0 else rng.choice(others) for i in range(n_states)}
    project, given = _projected(d, h)
    for s, w in states.items():
        given[f"s_{s}"] = f"s.{s}"
        d.widths[f"s_{s}"] = w
    widths = dict(d.widths)
    if seed >= JOINS and rng.random() < 0.6:
        _multiply_joined(d)
    for _ in range(rng.randint(1, 12)):
        operations.add_line(d, arrays=seed >= ARRAYS)
    if seed >= JOINS and rng.random() < 0.2:
        _multiply_joined(d)
    ends = [_end(d, None, states), *(_end(d, w, states) for w in states.values())]
    if seed >= JOINS and rng.random() < 0.3:
        ends[:2] = _halves(d, h)
    drawn = RandomCell(
        seed=seed,
        given=given,
        widths=widths,
        project=tuple(project),
        states=states,
        tensors=d.tensors,
        lines=tuple(d.lines),
        ends=tuple(ends),
        sites=d.sites,
        normalizer=rng.choice(operations.normalizers()) if d.sites else "none",
        flow=rng.choice([1.0] * 9 + [1.25]),
        cases=_cases(rng),
    )
    return drawn.needed()


def _projected(d: _Drawing, h: int) -> tuple[list[str], dict[str, str]]:
    rng, project, given = d.rng, list[str](), dict[str, str]()
    count = rng.choice([1, 1, 1, 2, 3])
    for i in range(count):
        width = rng.choice([h, h, 2 * h, 3 * h, 1])
        product = f"F.linear(x, {d.tensor('weight', width, INPUT)})"
        code, width = rng.choice(
            [
                (product, width),
                (product, width),
                (f"torch.tanh({product})", width),
                (f"{product}.cumsum(0)", width),  # not step by step
                ("x", INPUT),
                ("x[..., 1:]", INPUT - 1),
            ]
        )
        project.append(code)
        given[f"p{i}"] = "p" if count == 1 else f"p[{i}]"
        d.widths[f"p{i}"] = width
    return project, given


def _multiply_joined(d: _Drawing) -> None:
    """Multiply values that lie side by side, mostly given ones, with one or several weights."""
    rng, parts = d.rng, list[str]()
    for _ in range(rng.randint(2, 4)):
        name = rng.choice(list(d.widths)) if rng.random() < 0.7 else d.any()
        if rng.random() < 0.2:
            width = rng.choice([2, 3, 4])
            weight = d.tensor("weight", width, d.widths[name])
            name = d.add(f"F.linear({{{name}}}, {weight})", width)
        elif d.widths[name] > 1 and rng.random() < 0.2:
            width = rng.randint(1, d.widths[name] - 1)
            name = d.add(f"{{{name}}}[:, :{width}]", width)
        parts.append(name)
    have = sum(d.widths[name] for name in parts)
    joined = d.add(f"torch.cat([{', '.join(f'{{{n}}}' for n in parts)}], -1)", have)
    for _ in range(rng.choice([1, 1, 2, 3])):
        width = rng.choice([2, 3, 4, 6])
        d.add(f"F.linear({{{joined}}}, {d.tensor('weight', width, have)})", width)


def _halves(d: _Drawing, h: int) -> list[str]:
    """Return the two halves of one product, as output and first part of the next state."""
    name = d.any()
    weight = d.tensor("weight", 2 * h, d.widths[name])
    product = d.add(f"F.linear({{{name}}}, {weight})", 2 * h)
    halves = [d.add(f"{{{product}}}.chunk(2, -1)[{i}]", h) for i in (0, 1)]
    return halves if d.rng.random() < 0.5 else halves[::-1]


def _end(d: _Drawing, width: int | None, states: dict[str, int]) -> str:
    """Return the variable that is the output, or a part of the next state of a width."""
    rng, kind = d.rng, d.rng.random()
    alike = [f"s_{s}" for s, w in states.items() if width in (None, w)]
    if kind < 0.15:
        return rng.choice(alike)  # handed on, two that change places, a shift register
    if kind < 0.19:
        like = rng.choice(alike)
        how = rng.choice(["torch.ones_like({{{}}})", "torch.zeros_like({{{}}})", "{{{}}} * 0.5"])
        return d.add(how.format(like), d.widths[like])
    name = d.any() if width is None else d.fitted(width)
    if kind < 0.6:
        return d.add(f"torch.tanh({{{name}}})", d.widths[name])
    return name


def _cases(rng: random.Random) -> tuple[Case, ...]:
    """Return two windows for one and the same program."""
    update_statistics, gradient, frozen = rng.random() < 0.8, rng.random() < 0.7, rng.random() < 0.2
    return tuple(
        Case(
            steps=rng.choice([1, 2, 3, 5, 6, 9]),
            lanes=rng.choice([1, 2, 3, 5, 7, 7, 12, 37]),
            resets=rng.random() < 0.5,
            padding=rng.random() < 0.5,
            threads=rng.choice([1, 1, 2, 3]),
            update_statistics=update_statistics,
            input_gradient=gradient,
            frozen=frozen,
            seed=rng.randrange(1000),
        )
        for _ in range(2)
    )
