"""What a comparison cannot answer is refused, or named, before anything is trained."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from memcell.cli.main import run
from memcell.compare.answerable import (
    family_size,
    limits_of_data,
    limits_of_seeds,
    limits_of_targets,
    seeds_for,
)
from memcell.compare.declared import population_of
from memcell.compare.examine import chance_of
from memcell.compare.plan import plan_of
from memcell.errors import UsageError
from memcell.plugins import default_registry
from memcell.runs.setup import build_app

MEMORY = [
    *(
        "compare",
        "memory",
        "--task",
        "recall",
        "--test-streams",
        "2",
        "--trials",
        "6",
        "--lag",
        "8",
    ),
    *("--time-steps", "10", "--hidden-size", "4", "--epochs", "1", "--no-report", "--seeds", "1"),
]


def typed(tmp_path, capfd, *words):
    code = run([*MEMORY, *words, "--out", str(tmp_path / "c")])
    return code, capfd.readouterr()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        # one batch an epoch, so that nothing is carried
        (
            ["--policy", "carry,reset", "--streams", "2", "--batch-size", "64"],
            ["policy 'carry' carries nothing here", "those of 'reset'", "--batch-size"],
        ),
        # four recordings on eight lanes
        (
            ["--policy", "carry,oracle", "--streams", "4", "--batch-size", "8"],
            ["do not have the same context", "'oracle' sees", "--batch-size 4 or fewer"],
        ),
        (
            [
                "--policy",
                "carry,reset",
                "--streams",
                "4",
                "--batch-size",
                "2",
                "--target-loss",
                "1.3",
            ],
            ["a target loss of 1.3 is chance", "take a --target-loss of"],
        ),
    ],
)
def test_what_cannot_answer_is_refused_and_leaves_nothing(tmp_path, capfd, words, said):
    code, printed = typed(tmp_path, capfd, *words)
    assert code == 2
    for word in (*said, "this comparison cannot answer", "--anyway"):
        assert word in printed.err
    assert not list(tmp_path.iterdir())


def test_anyway_runs_it_and_keeps_the_sentence(tmp_path, capfd):
    words = ["--policy", "carry,oracle", "--streams", "4", "--batch-size", "8", "--anyway"]
    code, printed = typed(tmp_path, capfd, *words)
    assert code == 0
    assert "note: policies 'carry' and 'oracle' do not have the same context" in printed.out
    assert "too few seeds to decide" in printed.out
    plan = json.loads((tmp_path / "c/comparison.json").read_text())
    assert len(plan["limits"]) == 2
    assert plan["primary"] == {"outcome": "score", "inference": "carry", "population": "draws"}


def test_the_declared_outcome_stays(tmp_path, capfd):
    words = ["--policy", "carry,reset", "--streams", "4", "--batch-size", "2", "--no-reshuffled"]
    assert typed(tmp_path, capfd, *words)[0] == 0
    code, printed = typed(tmp_path, capfd, *words, "--primary", "validation_loss")
    assert code == 2
    assert "its primary outcome is score, not validation_loss" in printed.err
    code, printed = typed(tmp_path, capfd, *words, "--draw-data", "once")
    assert "its data are drawn per-seed, not once" in printed.err
    code, printed = typed(tmp_path, capfd, *words, "--population", "people")
    assert "it is about draws, not people" in printed.err
    # what is refused in going on leaves the folder as it was
    before = (tmp_path / "c/comparison.json").read_bytes()
    more = [*words, "--seeds", "2", "--target-loss", "1.3"]
    code, printed = typed(tmp_path, capfd, *more)
    assert (code, "is chance" in printed.err) == (2, True)
    assert (tmp_path / "c/comparison.json").read_bytes() == before
    # a pilot says how many seeds an effect takes, before training
    pilot = ["--pilot", str(tmp_path / "c"), "--smallest-effect", "0.01", "--seeds", "2"]
    assert run([*MEMORY, *words, *pilot[-2:], "--out", str(tmp_path / "c")]) == 0
    assert (
        run([*MEMORY, *words, *pilot, "--out", str(tmp_path / "d"), "--primary", "validation_loss"])
        == 0
    )
    assert "too few seeds: by the pilot" in capfd.readouterr().out


def test_too_few_seeds_are_said_with_the_number_that_would_do():
    (limit,) = limits_of_seeds(5, 1, "trainings")
    assert (
        "the smallest p that 5 pairs of runs can give, corrected for 1 test, is 0.062"
        in limit.sentence
    )
    assert "6 seeds could" in limit.sentence
    assert not limit.refused
    assert not list(limits_of_seeds(6, 1, "trainings"))
    (limit,) = limits_of_seeds(6, 8, "draws")
    assert "9 seeds could" in limit.sentence
    assert list(limits_of_seeds(1, 1, "people"))
    assert not list(limits_of_seeds(6, 8, "people"))


def test_the_family_is_what_the_report_will_test():
    assert family_size([("policy", ("carry", "reset"))]) == 1
    assert family_size([("policy", ("reset", "carry", "oracle"))]) == 3
    assert family_size([("policy", ("reset", "carry")), ("rate", ("1", "2", "3"))]) == 3 + 4 + 1
    assert family_size([]) == 0


def test_the_seeds_of_an_effect_find_it_in_eight_of_ten():
    n = seeds_for(0.5, 1.0, tests=1)
    pairs = np.random.default_rng(0).normal(0.5, 1.0, (2000, n))
    assert np.mean(ttest_1samp(pairs, 0, axis=1).pvalue <= 0.05) == pytest.approx(0.8, abs=0.03)
    assert seeds_for(5.0, 1.0, tests=1) == 6  # fewer could never decide


def test_chance_is_the_best_constant_on_the_validation_data():
    registry = default_registry()
    config = plan_of("memory", {"memory": {"streams": 2, "trials": 4}}, [], [0], registry).configs[
        0
    ]
    task = build_app(config, registry).task()
    known = np.concatenate([s.targets[s.labelled] for s in task.valid])
    share = np.bincount(known) / len(known)
    share = share[share > 0]
    assert chance_of(task) == pytest.approx(-np.sum(share * np.log(share)))
    assert [
        x.refused for x in limits_of_targets([0.95 * chance_of(task), 0.1], chance_of(task))
    ] == [True]


def facts(**people):
    splits = {
        part: {"subjects": [f"{part}{k}" for k in range(n)], "steps": 100 * n, "sequences": n}
        for part, n in {"train": 3, "valid": 2, "test": 8, **people}.items()
    }
    return {"splits": splits, "validates": True, "simulated": False}


def test_the_population_follows_from_the_data():
    assert population_of("auto", facts(), "score", drawn=False) == "people"
    assert population_of("auto", facts(test=5), "score", drawn=False) == "trainings"
    assert population_of("auto", facts(), "validation_loss", drawn=False) == "trainings"
    assert population_of("people", facts(), "validation_loss", drawn=False) == "people"
    assert population_of("trainings", facts(), "score", drawn=False) == "trainings"
    assert population_of("auto", facts(), "updates", drawn=True) == "draws"
    with pytest.raises(UsageError, match="counted on all of them together"):
        population_of("people", facts(), "updates", drawn=False)


def test_data_that_lack_the_outcome_are_refused_and_one_subject_is_named():
    (limit,) = limits_of_data(facts(test=0), "score")
    assert limit.refused
    assert "--primary validation_loss" in limit.sentence
    (limit,) = limits_of_data({**facts(), "validates": False}, "updates")
    assert limit.refused
    one = {
        **facts(),
        "splits": {p: {"subjects": ["S"], "steps": 9} for p in ("train", "valid", "test")},
    }
    (limit,) = limits_of_data(one, "score")
    assert "one subject ('S')" in limit.sentence
    assert not limit.refused
