"""Typed configs: bounds, types, unknown names, and the way through TOML and back."""

from __future__ import annotations

from dataclasses import dataclass

import click
import pytest

from memcell.cli.options import config_options, sections
from memcell.errors import ConfigError
from memcell.plugins import default_registry
from memcell.plugins.options import fields_of, from_mapping, option, replace, to_mapping
from memcell.runs.run_folder import RunFolder
from memcell.settings.options import NetworkConfig, TrainingConfig
from memcell.settings.run_config import read_toml, resolve


@dataclass(frozen=True, kw_only=True)
class Example:
    rate: float = option(0.5, help="A rate.", low=0, high=1, unit="Hz")
    count: int = option(3, help="A count.", low=1)
    on: bool = option(False, help="A switch.")
    word: str = option("a", help="A word.", choices=("a", "b"))
    names: tuple[str, ...] = option(("x",), help="Names.")
    limit: float | None = option(None, help="Maybe a limit.")


def test_strings_of_a_command_line_become_values():
    made = from_mapping(Example, {"rate": "0.25", "count": "7", "names": "x, y", "limit": "2"})
    assert made == Example(rate=0.25, count=7, names=("x", "y"), limit=2.0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rate": 1.5}, ["rate", "1.5", "0 to 1", "Hz", "0.5"]),
        ({"rate": "fast"}, ["rate", "'fast'", "a number"]),
        ({"rate": float("nan")}, ["rate", "nan"]),
        ({"count": 2.5}, ["count", "2.5", "whole number"]),
        ({"count": True}, ["count", "True"]),
        ({"on": "yes"}, ["on", "'yes'", "true or false"]),
        ({"word": "c"}, ["'c'", "a, b"]),
        ({"count": None}, ["count", "None"]),
        ({"rat": 1}, ["unknown option 'rat'", "Did you mean 'rate'?"]),
    ],
)
def test_a_refused_value_is_named_with_what_was_expected(values, words):
    with pytest.raises(ConfigError) as caught:
        from_mapping(Example, values, "[example]")
    assert all(word in str(caught.value) for word in ["[example]", *words])


def test_replace_checks_what_it_changes():
    assert replace(Example(), count=9).count == 9
    with pytest.raises(ConfigError):
        replace(Example(), count=0)


def test_a_field_without_documentation_is_refused():
    @dataclass(frozen=True, kw_only=True)
    class Bare:
        x: int = 1

    with pytest.raises(TypeError, match="option"):
        fields_of(Bare)


@pytest.mark.parametrize("text", ["x = ", "[a\n", "\xff"])
def test_a_broken_config_file_is_named(tmp_path, text):
    path = tmp_path / "broken.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"broken\.toml"):
        read_toml(path)


def test_a_resolved_config_reads_back_as_itself(tmp_path):
    """Through the file of a run folder, with a name that TOML has to escape."""
    registry = default_registry()
    typed = {
        "data": {"name": "own", "path": 'a "quoted" \\ folder \u00e9\U00018d09'},
        "policy": {"name": "decay", "rate": 0.25},
        "training": {"learning_rate": 1e-5, "seed": 2**60},
    }
    config = resolve("microsleep", typed, registry)
    folder = RunFolder.create(tmp_path / "run", config, registry, "cpu")
    assert resolve("microsleep", folder.sections(), registry) == config


#: Of a run of version 0.1, where ``backend`` was called ``unroll`` and ``inductor`` was ``compiled``.
OLD_CONFIG = """
memcell = "0.1.0"
app = "memory"

[training]
epochs = 1
unroll = "compiled"

[network]
hidden_size = 4
"""


def test_config_of_version_before_is_read(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(OLD_CONFIG)
    config = resolve("memory", read_toml(path), default_registry())
    assert config.training.backend == "inductor"
    section = config.sections()["training"]
    assert section["backend"] == "inductor"
    assert "unroll" not in section


def test_new_name_wins_over_former_one():
    assert (
        from_mapping(TrainingConfig, {"unroll": "eager", "backend": "native"}).backend == "native"
    )
    with pytest.raises(ConfigError, match="'quick'"):
        from_mapping(TrainingConfig, {"unroll": "quick"})


@pytest.mark.parametrize(
    ("typed", "note", "backend"),
    [
        (["--unroll", "eager"], "note: '--unroll eager' is now '--backend eager'", "eager"),
        (
            ["--unroll", "compiled"],
            "note: '--unroll compiled' is now '--backend inductor'",
            "inductor",
        ),
        (
            ["--backend", "compiled"],
            "note: '--backend compiled' is now '--backend inductor'",
            "inductor",
        ),
        (["--backend", "torch"], "", "torch"),
        (["--unroll", "eager", "--backend", "native"], "is now '--backend eager'", "native"),
    ],
)
def test_former_option_is_understood_and_told_the_new_name(typed, note, backend, capsys):
    option, *others = [
        o
        for o in config_options("training", TrainingConfig)
        if o.name.endswith(("backend", "unroll"))
    ]
    assert [o.hidden for o in (option, *others)] == [False, True]
    command = click.Command("train", params=[option, *others])
    with command.make_context("train", typed) as context:
        found = sections(command.params, context.params)
    assert found == {"training": {"backend": backend}}
    said = capsys.readouterr().err
    assert note in said
    assert bool(said) == bool(note)


def test_every_option_of_every_plugin_is_documented_and_its_default_is_allowed():
    configs = [e.config_type() for e in default_registry().entries() if e.spec.config]
    for config in [*configs, TrainingConfig, NetworkConfig]:
        built = config()
        assert from_mapping(config, to_mapping(built)) == built
        for field in fields_of(config):
            assert field.help.endswith((".", ")")), (
                f"{config.__name__}.{field.name}: {field.help!r}"
            )
