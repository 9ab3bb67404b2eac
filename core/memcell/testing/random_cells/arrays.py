"""Lines of a random step that have more dimensions than lanes and columns inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memcell.testing.random_cells.drawing import _Drawing

#: Of one variable of w columns, two times h where they are even: code, and the width it gives.
_ANY = [
    ("torch.roll({a}, 1, -1)", "w"),
    ("{a}.flip(-1)", "w"),
    ("torch.stack([{a}, {a}.flip(-1)], -1).mean(-1)", "w"),
    ("torch.stack([{a}, torch.tanh({a})], 1).amax(1)", "w"),
    ("({a}.unsqueeze(-1) * {a}.unsqueeze(-2)).sum(1)", "w"),
    ("({a}[:, None] - 0.5 * {a}[..., None]).square().mean(-1)", "w"),
    ("torch.bmm({a}.unsqueeze(2), torch.sin({a}).unsqueeze(1)).softmax(1).sum(2)", "w"),
    ("F.pad({a}, (1, 0))[:, :-1]", "w"),
    ("torch.remainder({a}, 0.7) + torch.floor({a})", "w"),
    ("{a} @ ({u} @ {v})", "w"),
    ("F.linear({a}, {s}.abs() * 0.5)", "w"),
    ("{a} @ torch.tril({s})", "w"),
    ("{a} * {s}[0] + {s}[:, -1]", "w"),
]
_EVEN = [
    ("{a}[:, ::2]", "h"),
    ("{a}.view(-1, {h}, 2)[..., 1]", "h"),
    ("{a}.view(-1, 2, {h}).transpose(1, 2).reshape(-1, {w})", "w"),
    ("{a}.reshape(-1, 2, {h}).softmax(1).flatten(1)", "w"),
    ("({a}.view(-1, 2, {h}) - {a}.view(-1, 2, {h}).mean((1, 2), keepdim=True)).flatten(1)", "w"),
    ("{a}.view(-1, 2, {h}).unbind(1)[1]", "h"),
    ("{a}.view(-1, 2, {h}).var(1, unbiased=False)", "h"),
    ("torch.logsumexp({a}.view(-1, 2, {h}), 1)", "h"),
    ('torch.einsum("bhi,hij->bhj", {a}.view(-1, 2, {h}), {m}).flatten(1)', "w"),
    ("F.linear({a}.view(-1, 2, {h}), {n}).flatten(1)", "w"),
    ("({a}.view(-1, 2, {h}) * {r} + {c}).flatten(1)", "w"),
    (
        'torch.einsum("bhi,bhj,bj->bi", {a}.view(-1, 2, {h}), {a}.view(-1, 2, {h}), {a}[:, :{h}])',
        "h",
    ),
    ("torch.matmul({n}, {a}.view(-1, {h}, 2)).flatten(1)", "w"),
]
#: Parameters of these, by letter.
_SHAPES: dict[str, tuple[int | str, ...]] = {
    "u": ("w", 2),
    "v": (2, "w"),
    "s": ("w", "w"),
    "m": (2, "h", "h"),
    "n": ("h", "h"),
    "r": (2, "h"),
    "c": (2, 1),
}


def array(d: _Drawing) -> tuple[str, int]:
    """Return a line of one variable, and its width."""
    a = d.any()
    w = d.widths[a]
    code, width = d.rng.choice(_ANY if w % 2 or d.rng.random() < 0.4 else _EVEN)
    sizes = {"w": w, "h": w // 2}
    for letter, shape in _SHAPES.items():
        if f"{{{letter}}}" in code:
            each = (sizes[s] if isinstance(s, str) else s for s in shape)
            code = code.replace(f"{{{letter}}}", d.tensor("weight", *each))
    for letter, size in sizes.items():
        code = code.replace(f"{{{letter}}}", str(size))
    return code.replace("{a}", f"{{{a}}}"), sizes[width]
