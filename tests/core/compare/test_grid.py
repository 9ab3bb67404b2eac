"""From what is typed to settings."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import pytest

from memcell.compare.axes import Axis, listed, named, split, sweeps
from memcell.compare.declared import Asked
from memcell.compare.grid import grid_of
from memcell.compare.plan import plan_of, run_id, with_choice
from memcell.compare.run import imports_of
from memcell.errors import UsageError
from memcell.plugins import default_registry


def grid(base=None, **axes):
    typed = [Axis(name.replace("__", "."), tuple(values)) for name, values in axes.items()]
    return grid_of("microsleep", base or {}, typed, default_registry())


def test_commas_inside_parentheses_do_not_part():
    assert split("carry,carry_p(p=0.2, reset_each_epoch=yes),reset", ",") == [
        "carry", "carry_p(p=0.2, reset_each_epoch=yes)", "reset",
    ]  # fmt: skip
    assert listed(["a,b", "c"], "--cell") == ("a", "b", "c")
    assert str(named("carry_p( p = 0.2 )", "--policy")) == "carry_p(p=0.2)"
    assert sweeps(["batch-size=8, 32; layers=1,2"]) == [
        Axis("batch_size", ("8", "32")),
        Axis("layers", ("1", "2")),
    ]


def test_the_settings_are_the_product_the_first_axis_slowest():
    found = grid(policy=["carry", "reset"], batch_size=["8", "32"])
    assert [tuple(s.values()) for s in found.settings] == [
        ("carry", "8"), ("carry", "32"), ("reset", "8"), ("reset", "32"),
    ]  # fmt: skip
    sections = found.of({"policy": "reset", "batch_size": "32"})
    assert sections["policy"] == {"name": "reset"}
    assert sections["training"] == {"batch_size": 32}


def test_an_option_goes_to_the_values_that_have_it():
    found = grid({"policy": {"p": "0.3"}}, policy=["carry", "carry_p"])
    assert found.of({"policy": "carry"})["policy"] == {"name": "carry"}
    assert found.of({"policy": "carry_p"})["policy"] == {"name": "carry_p", "p": "0.3"}
    with pytest.raises(UsageError, match=r"policy\.p: none of policy 'carry', 'reset'"):
        grid({"policy": {"p": "0.3"}}, policy=["carry", "reset"])


def test_a_swept_option_that_only_some_have_becomes_part_of_those():
    found = grid(policy=["carry", "carry_p"], policy__p=["0.10", "0.5"])
    (axis,) = found.axes
    assert axis == Axis("policy", ("carry", "carry_p(p=0.1)", "carry_p(p=0.5)"))
    assert found.of({"policy": "carry_p(p=0.5)"})["policy"] == {"name": "carry_p", "p": 0.5}
    # written out it is the same
    same = grid(policy=["carry", "carry_p(p=0.1)", "carry_p(p=0.5)"])
    assert same.axes == found.axes
    assert same.settings == found.settings


def test_a_swept_option_that_all_have_is_an_axis():
    found = grid({"policy": {"name": "carry_p"}}, policy__p=["0.1", "0.5"])
    assert found.axes == (Axis("policy.p", ("0.1", "0.5")),)
    assert found.of({"policy.p": "0.5"})["policy"] == {"name": "carry_p", "p": 0.5}


def test_an_axis_of_one_value_is_none():
    found = grid(policy=["reset"], batch_size=["8", "32"])
    assert [a.name for a in found.axes] == ["batch_size"]
    assert found.of({"batch_size": "8"})["policy"] == {"name": "reset"}


def test_a_swept_option_of_one_value_reaches_every_value_of_its_kind():
    registry = default_registry()
    axes = [Axis("policy", ("burn_in", "stored_burn_in")), Axis("policy.steps", ("7",))]
    for typed in (axes, axes[::-1]):
        plan = plan_of("microsleep", {"policy": {"steps": 9}}, typed, [0], registry)
        assert [a.name for a in plan.axes] == ["policy"]
        assert [c.sections()["policy"]["steps"] for c in plan.configs] == [7, 7]
        # going on with the folder resolves its base again
        again = plan_of("microsleep", plan.base, plan.axes, [0], registry)
        assert [c.sections() for c in again.configs] == [c.sections() for c in plan.configs]


def test_an_option_in_parentheses_is_not_swept_as_well():
    with pytest.raises(UsageError, match=r"burn_in\(steps=5\) and --sweep policy\.steps"):
        grid(policy=["burn_in(steps=5)", "stored_burn_in"], policy__steps=["7", "9"])


def test_axis_value_overrides_base_option():
    found = grid({"training": {"batch_size": 4, "epochs": 3}}, batch_size=["8", "32"])
    assert found.of({"batch_size": "8"})["training"] == {"batch_size": 8, "epochs": 3}
    assert found.base["training"] == {"epochs": 3}


def test_all_misfits_of_all_settings_are_said_at_once():
    axes = [
        Axis("policy", ("carry", "reset")),
        Axis("sampler", ("stream", "reshuffle")),
        Axis("normalizer", ("none", "batch")),
    ]
    with pytest.raises(UsageError) as refused:
        plan_of("microsleep", {"training": {"batch_size": 4}}, axes, [0], default_registry())
    said = str(refused.value)
    assert "sampler=reshuffle" in said
    assert "use sampler 'stream'" in said
    assert "needs at least 16 lanes" in said
    assert said.count("needs at least 16 lanes") == 1, (
        "the same misfit of many settings is one line"
    )


def test_workers_are_forked_after_what_the_runs_import_late():
    registry = default_registry()
    plan = plan_of("microsleep", {}, [Axis("policy", ("carry", "reset"))], [0], registry)
    assert {"memcell_microsleep.app", "memcell_eeg.baselines"} <= set(imports_of(plan, registry))
    path = plan_of("memory", {"network": {"skip": "linear"}}, [], [0], registry)
    without = plan_of("memory", {"network": {"skip": "none"}}, [], [0], registry)
    assert "sklearn.linear_model" in imports_of(path, registry)
    assert "sklearn.linear_model" not in imports_of(without, registry)


def test_what_an_app_says_that_it_imports_late_is_there():
    names = [name for e in default_registry().entries("app") for name in e.spec.late_imports]
    assert names
    # what cannot be imported is passed over by the process that workers are forked from
    assert [name for name in names if find_spec(name) is None] == []


def test_runs_go_seed_by_seed_and_differ_in_nothing_else():
    axes = [Axis("policy", ("carry", "reset"))]
    plan = plan_of("microsleep", {"training": {"seed": 9}}, axes, [3, 4], default_registry())
    runs = plan.runs()
    assert [(r.setting["policy"], r.seed) for r in runs] == [
        ("carry", 3), ("reset", 3), ("carry", 4), ("reset", 4),
    ]  # fmt: skip
    assert [r.config.training.seed for r in runs] == [3, 3, 4, 4]
    assert {r.config.training.control for r in runs} == {"none"}
    # simulated data are drawn anew for each seed, the same for all settings of one
    assert [r.config.dataset.config.seed for r in runs] == [3, 3, 4, 4]
    once = plan_of(
        "microsleep", {}, axes, [3, 4], default_registry(), Asked(draw_data="once")
    ).runs()
    assert len({r.config.dataset for r in once}) == 1
    assert len({str(r.config.app_config) for r in runs}) == 1, "the split is the same for all"
    assert plan.reference == {"policy": "carry"}


def test_ids_are_readable_short_enough_and_different():
    assert run_id({"policy": "carry", "batch_size": "8"}, 3) == "policy=carry,batch_size=8,seed=3"
    assert run_id({}, 3) == "seed=3"
    assert run_id({"policy": "carry_p(p=0.5)"}, 0) == "policy=carry_p-p=0.5,seed=0"
    long = [run_id({"cell": "x" * 300 + end}, 0) for end in "ab"]
    assert long[0] != long[1]
    assert max(map(len, long)) < 255


def test_a_policy_may_bring_a_sampler_with_it():
    found = grid(
        {"sampler": {"name": "stream", "jitter": True}}, policy=["carry", "reset+reshuffle"]
    )
    assert found.of({"policy": "carry"})["sampler"] == {"name": "stream", "jitter": True}
    assert found.of({"policy": "reset+reshuffle"})["sampler"] == {"name": "reshuffle"}
    with pytest.raises(
        UsageError, match=r"reset\+reshuffle names a sampler, and sampler is varied"
    ):
        grid(policy=["reset", "reset+reshuffle"], sampler=["stream", "sequential"])
    axes = [Axis("policy", ("reset", "reset+shuffled"))]
    with pytest.raises(UsageError, match="unknown sampler 'shuffled'"):
        plan_of("microsleep", {}, axes, [0], default_registry())


def test_what_people_choose_between_stands_beside_carry_and_reset():
    registry = default_registry()

    def values(axes, base=None):
        return with_choice("microsleep", base or {}, axes, registry)[0].values

    plain = Axis("policy", ("carry", "reset"))
    assert values([plain]) == ("carry", "reset", "reset+reshuffle")
    assert values([Axis("policy", ("carry", "oracle", "reset"))]) == ("carry", "oracle", "reset")
    assert values([plain], {"sampler": {"name": "stream"}}) == plain.values
    assert values([plain, Axis("sampler", ("stream", "sequential"))]) == plain.values
    # a gradient that assumes carried memory fits no shuffled windows
    assert values([plain], {"gradient": {"name": "artbp"}}) == plain.values
    # going on with the folder resolves its base again
    plan = plan_of(
        "microsleep", {}, with_choice("microsleep", {}, [plain], registry), [0], registry
    )
    again = plan_of("microsleep", plan.base, plan.axes, [0], registry)
    assert [c.sections() for c in again.configs] == [c.sections() for c in plan.configs]
    assert [c.choices["sampler"].name for c in again.configs] == ["stream", "stream", "reshuffle"]


def test_training_policies_are_compared_at_one_inference():
    registry = default_registry()
    axes = [Axis("policy", ("carry", "reset"))]

    def plan(base=None, primary="score"):
        return plan_of("microsleep", base or {}, axes, [0], registry, Asked(primary=primary))

    assert plan().inference == "carry"
    assert {c.training.eval_policy for c in plan().configs} == {"carry"}
    assert plan({"training": {"eval_policy": "reset"}}).inference == "reset"
    assert plan({"training": {"eval_policy": "auto"}}).inference == "own"
    cells = [Axis("cell", ("lstm", "gru"))]
    one = plan_of("microsleep", {}, cells, [0], registry)
    assert (one.inference, one.configs[0].training.eval_policy) == ("carry", "auto")
    # what counts updates is followed to its end and looked at often, unless somebody says otherwise
    updates = plan({"training": {"validate_every": 5}}, "updates").configs[0].training
    assert (updates.patience, updates.validate_every) == (0, 5)
    assert plan({}, "updates").configs[0].training.validate_every == -1


def test_one_configuration_twice_is_refused():
    axes = [Axis("policy", ("reset", "reset+stream"))]
    with pytest.raises(UsageError, match="are one configuration"):
        plan_of("microsleep", {}, axes, [0], default_registry())


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"primary": "loss"}, "--primary got 'loss'"),
        ({"targets": (math.nan,)}, "--target-loss got nan"),
        ({"smallest_effect": 0.1}, "go together"),
        ({"smallest_effect": 0.9, "pilot": Path(), "primary": "updates"}, "a ratio above 1"),
    ],
)
def test_what_cannot_be_asked_is_told(asked, words):
    with pytest.raises(UsageError, match=words):
        Asked(**asked)
