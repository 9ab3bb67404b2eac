"""Twenty recordings of four montages, three rates and two units: predicted, or refused with the line to type.

The line is typed as it stands. Written by another library's writer (edfio), headers of persons and all.
"""

from __future__ import annotations

import csv
import datetime
import re
import shlex

import numpy as np
import pytest
from tests.electrodes import TEN_TWENTY

from memcell.cli.main import run

edfio = pytest.importorskip("edfio")

MONTAGES = {
    "psg": ["O1-M2", "O2-M1", "C3-M2", "E1-M2"],
    "cap": [f"EEG {site}-Ref" for site in [*TEN_TWENTY, "A1", "A2"]],
    "ears": [f"{site}-LE" for site in TEN_TWENTY],
    "chain": [
        "Fp1-F7",
        "F7-T3",
        "T3-T5",
        "T5-O1",
        "Fp2-F8",
        "F8-T4",
        "T4-T6",
        "T6-O2",
        "Fz-Cz",
        "Cz-Pz",
    ],
}
RATES = (128, 200, 256)
UNITS = {"uV": 1.0, "mV": 1e-3}
#: What is odd about the last two: written in one unit and stated in another, and none stated.
ODD = {"wrong": ("mV", "uV"), "blank": ("uV", "")}


def potential(site, rate, seconds, seed, marks):
    """One electrode's: noise, alpha, and a slow wave where there is an event."""
    random = np.random.default_rng([seed, *site.encode()])
    t = np.arange(rate * seconds) / rate
    x = random.normal(0, 8, len(t)) + 10 * np.sin(2 * np.pi * 10 * t + random.uniform(0, 6))
    if site[0] in "MA":
        return 0.2 * x
    for mark in marks:
        inside = (t >= mark) & (t < mark + 6)
        x[inside] += 40 * np.sin(2 * np.pi * 5 * t[inside])
    return x


def measured(name, *of):
    site, _, against = name.removeprefix("EEG ").partition("-")
    site, against = (n.replace("A", "M") if n in ("A1", "A2") else n for n in (site, against))
    value = potential(site, *of)
    if against == "LE":
        return value - 0.5 * (potential("M1", *of) + potential("M2", *of))
    return value - potential("R" if against == "Ref" else against, *of)


def written(path, names, rate, unit="uV", stated=None, seed=0, seconds=90, marks=(15, 40, 65)):
    path.parent.mkdir(exist_ok=True)
    signals = []
    for name in names:
        values = measured(name, rate, seconds, seed, marks) * UNITS[unit]
        most = float(f"{1.1 * np.abs(values).max():.4g}")
        signals.append(
            edfio.EdfSignal(
                values, rate, label=name, physical_range=(-most, most),
                physical_dimension=unit if stated is None else stated,
            )
        )  # fmt: skip
    edfio.Edf(
        signals,
        patient=edfio.Patient(code="MCH-0234567", name="Haagse_Harry"),
        recording=edfio.Recording(startdate=datetime.date(2024, 3, 1), equipment_code="amp"),
        annotations=[edfio.EdfAnnotation(float(mark), 6.0, "microsleep") for mark in marks],
    ).write(path)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twenty")
    for k in range(3):
        written(folder / "train" / f"s{k}.edf", ["O1-M2", "O2-M1"], 200, seed=k)
    typed = ["--data", str(folder / "train"), "--data.positive", "microsleep", "--epochs", "1"]
    small = ["--hidden-size", "4", "--cache", "off", "--baselines", "few", "--tune", "none"]
    assert (
        run(
            [
                "train",
                "microsleep",
                *typed,
                *small,
                "--robustness",
                "none",
                "--out",
                str(folder / "run"),
            ]
        )
        == 0
    )
    return folder / "run"


def statuses(out):
    with (out / "summary.tsv").open(encoding="utf-8") as file:
        return {row["recording"]: row for row in csv.DictReader(file, delimiter="\t")}


def scored_subjects(said):
    return int(re.search(r"on (\d+) subjects", said)[1])


@pytest.mark.slow
def test_twenty_recordings_are_predicted_or_refused_with_the_line_that_works(
    model, tmp_path, capsys
):
    folder, out = tmp_path / "in", tmp_path / "found"
    n = 0
    for montage, names in MONTAGES.items():
        for rate in RATES:
            for unit in ("uV", "mV") if montage in ("psg", "cap") else ("uV",):
                written(folder / f"{montage}-{rate}-{unit}.edf", names, rate, unit, seed=100 + n)
                n += 1
    for name, (unit, stated) in ODD.items():
        written(folder / f"{name}.edf", MONTAGES["psg"], 256, unit, stated, seed=100 + n)
        n += 1
    assert n == 20
    capsys.readouterr()
    assert (
        run(["predict", "microsleep", str(folder), "--model", str(model), "--out", str(out)]) == 1
    )
    said = capsys.readouterr()
    first = statuses(out)
    assert len(first) == 20
    assert {name for name, row in first.items() if row["status"] == "done"} == {
        name for name in first if name.startswith("psg")
    }
    lines = [
        shlex.split(line)
        for line in said.out.splitlines()
        if line.strip().startswith("memcell predict")
    ]
    asked = {" ".join(line[line.index("--out") + 2 :]) for line in lines}
    assert asked == {
        "--reference model",
        "--reference as-is",
        "--rename T5-O1=O1-M2,T6-O2=O2-M1",
        "--unit all:mV",
        "--unit uV",
    }
    for line in lines:
        assert run(line[1:]) == 0, line
    last = statuses(out)
    assert [*last] == [*first], "one summary, in the order of the folder"
    assert {row["status"] for row in last.values()} == {"done"}
    assert "'O1-M2' is computed as EEG O1-Ref - EEG A2-Ref" in last["cap-200-uV"]["note"]
    assert "'O1-LE' (against linked ears) is taken for 'O1-M2'" in last["ears-200-uV"]["note"]
    assert "'T5-O1' as 'O1-M2'" in last["chain-200-uV"]["note"]
    # the same network on the same derivation: the unit makes no difference
    events = [int(last[f"cap-200-{unit}"]["events"]) for unit in UNITS]
    assert all(events)
    assert "Harry" not in "".join(
        p.read_text() for p in out.rglob("*") if p.is_file() and p.suffix != ".npz"
    )
    # scores follow the same rule, and the lines that they say work too
    tables = tmp_path / "tables"
    words = ["--data", str(folder), f"--out={tables}"]
    assert run(["evaluate", "microsleep", str(model), *words]) == 0
    said = capsys.readouterr().out
    lines = [x.strip() for x in said.splitlines() if x.startswith("  memcell evaluate")]
    assert [line.partition(f" --data {folder} ")[2] for line in lines] == [
        f"--out {tables}-others --reference model",
        f"--out {tables}-others2 --rename T5-O1=O1-M2,T6-O2=O2-M1",
        f"--out {tables}-others3 --reference as-is",
    ]
    kept = {path.name: path.read_bytes() for path in tables.iterdir()}
    before = scored_subjects(said)
    for line in lines:
        assert run(shlex.split(line)[1:]) == 0
        assert scored_subjects(capsys.readouterr().out) > before
    assert {path.name: path.read_bytes() for path in tables.iterdir()} == kept
    # the first command again: what the lines did stays done
    capsys.readouterr()
    assert (
        run(["predict", "microsleep", str(folder), "--model", str(model), "--out", str(out)]) == 0
    )
    said = capsys.readouterr().out
    assert "20 of 20 recordings predicted, 20 of them done before" in said
    assert "failed:" not in said
    assert {row["status"] for row in statuses(out).values()} == {"done"}
