"""What is said of a plugin that is not found, an option that is not there, and checks that fail."""

from __future__ import annotations

import pytest

from memcell.cli.main import _plugin_of, run
from memcell.cli.plugins import _by_reason
from memcell.plugins import Registry, default_registry
from memcell.plugins.loader import LOAD_PLUGINS, Loaded
from memcell.plugins.specs import CellSpec
from memcell.testing.failure import Finding


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("plugins cell", "memcell plugins --kind cell"),
        ("train memory --probe.order.measurements 3", "add --probe order."),
        ("train memory --probe.measurements 3", "add --probe NAME."),
        ("train memory --cell.forget_bias 3", "Did you mean --cell.forget-bias?"),
        ("train memory --backend 10", "[training]: unknown backend '10'."),
    ],
)
def test_a_refusal_says_what_to_type(words, expected, capsys):
    assert run(words.split()) == 2
    assert expected in capsys.readouterr().err


def test_a_name_that_the_environment_may_have_left_out_says_so(monkeypatch, capsys):
    from memcell.plugins import default_registry

    monkeypatch.setenv(LOAD_PLUGINS, "")
    default_registry.cache_clear()
    try:
        for words in ("plugins nowhere", "train memory --cell nowhere"):
            assert run(words.split()) == 2
            assert f"{LOAD_PLUGINS} is set" in capsys.readouterr().err
    finally:
        monkeypatch.undo()
        default_registry.cache_clear()


def test_checks_with_the_same_reason_share_a_line():
    findings = [Finding(check=f"c{i}", ok=False, reason="it raised X") for i in range(5)]
    findings += [Finding(check="d", ok=False, reason="other"), Finding(check="e", ok=True)]
    assert _by_reason(findings) == ["c0, c1, c2 and 2 more: it raised X", "d: other"]


def test_an_error_is_said_to_be_of_the_plugin_whose_line_raised_it(monkeypatch):
    found = Loaded(
        spec=CellSpec(name="odd", factory="odd_cells.odd:Odd"),
        distribution="odd-cells",
        version="1",
    )
    monkeypatch.setattr("memcell.plugins.default_registry", lambda: Registry([found], []))
    code = compile("def step():\n    return 1 / 0\n", "/somewhere/odd.py", "exec")
    module: dict[str, object] = {"__name__": "odd_cells.odd"}
    exec(code, module)  # a module that is not installed
    with pytest.raises(ZeroDivisionError) as raised:
        module["step"]()
    assert _plugin_of(raised.value) == "raised in odd.py, line 2, of odd-cells"
    with pytest.raises(ZeroDivisionError) as raised:
        divmod(1, 0)
    assert _plugin_of(raised.value) == ""


def test_the_list_of_plugins_fits_a_screen_and_names_every_plugin(capfd):
    assert run(["plugins"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    names = {line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "}
    assert names == {entry.spec.name for entry in default_registry().entries()}
