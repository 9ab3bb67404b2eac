"""All checks of one installed plugin, with its default options; what it raises is a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from memcell.applications.checking import FileReport
from memcell.applications.datasets import Card
from memcell.applications.models import open_model
from memcell.errors import MemcellError, raised_in, unknown
from memcell.plugins import Entry, Registry, default_registry
from memcell.plugins.loader import installed
from memcell.plugins.options import from_mapping, to_mapping
from memcell.plugins.specs import (
    CellSpec,
    DatasetSpec,
    EncoderSpec,
    FeatureExtractorSpec,
    GradientModeSpec,
    HeadSpec,
    ModelSpec,
    NormalizerSpec,
    ProbeSpec,
    SamplerSpec,
    StatePolicySpec,
)
from memcell.runs.model import load_model
from memcell.runs.run_folder import open_run
from memcell.settings.run_config import RunConfig
from memcell.testing.building import entry_builder, entry_declared
from memcell.testing.cells import CELL_CHECKS, SLOW_CHECKS
from memcell.testing.failure import CheckFailed, Finding, line_of, require
from memcell.testing.gradient_modes import GRADIENT_MODE_CHECKS
from memcell.testing.listing import check_config_import, check_listing
from memcell.testing.network_parts import NETWORK_PART_CHECKS, chosen_backend_gives_the_same
from memcell.testing.normalizers import NORMALIZER_CHECKS
from memcell.testing.optimizers import OPTIMIZER_CHECKS
from memcell.testing.policies import POLICY_CHECKS
from memcell.testing.probes import PROBE_CHECKS, ProbeUnderTest
from memcell.testing.samplers import SAMPLER_CHECKS
from memcell.training.foreign import foreign_parts

Check = tuple[str, Callable[[], None]]

#: Checks that name why others fail too.
_CAUSES = frozenset(
    {
        "project_draws_from_its_generator",
        "step_draws_no_random_numbers",
        "step_changes_nothing",
        "step_spares_its_inputs",
        "step_repeats_itself",
    }
)


def check_plugin(entry: Entry, expected: Mapping[str, str] | None = None) -> list[Finding]:
    """Check one plugin.

    Args:
        entry: The plugin, as the registry has it.
        expected: Checks that it fails on purpose, with the reason, beside those that its spec names.

    Returns:
        One finding a check; nothing that the plugin raises comes out of here.
    """
    findings = [_found(entry, name, check) for name, check in _first_checks(entry)]
    if all(finding.ok for finding in findings):
        findings += [_found(entry, name, check) for name, check in _checks_of_kind(entry)]
    return with_expected_failures(
        entry, findings, {**entry.spec.expected_failures, **(expected or {})}
    )


def with_expected_failures(
    entry: Entry, findings: Sequence[Finding], expected: Mapping[str, str]
) -> list[Finding]:
    """Return findings in which a failure that was expected is in order, and nothing else in its place.

    Args:
        entry: The plugin.
        findings: What its checks found.
        expected: Checks that it is expected to fail, with the reason.
    """
    result = []
    for finding in findings:
        failure = expected.get(finding.check, "")
        if failure and finding.ok:
            reason = f"{entry.origin}: it passes, and was expected to fail ({failure}): expect it no longer"
            finding = Finding(check=finding.check, ok=False, reason=reason)
        elif failure:
            finding = replace(finding, ok=True, expected=failure)
        result.append(finding)
    known = {finding.check for finding in findings}
    if all(finding.ok for finding in result):
        result += [
            Finding(
                check=name,
                ok=False,
                reason=f"{entry.origin}: it is expected to fail, and is {unknown('check', name, known)}",
            )
            for name in expected.keys() - known
        ]
    return result


def quick_findings(entry: Entry, config: Any) -> list[Finding]:
    """Return what the checks of a part of the network say, but for those that compile or import anew.

    Args:
        entry: The plugin.
        config: Its options.
    """

    def build(*sizes: Any) -> Any:
        return entry.build(*sizes, config)

    checks: list[Check] = []
    if isinstance(entry.spec, CellSpec):
        checks = [(c.__name__, partial(c, build)) for c in CELL_CHECKS if c not in SLOW_CHECKS]
    elif isinstance(entry.spec, NormalizerSpec):
        spec = replace(entry.spec, **entry.capabilities(config))
        checks = [(c.__name__, partial(c, build, spec)) for c in NORMALIZER_CHECKS]
    elif isinstance(entry.spec, EncoderSpec | HeadSpec):
        part = replace(entry.spec, **entry.capabilities(config))
        quick = [c for c in NETWORK_PART_CHECKS if c is not chosen_backend_gives_the_same]
        checks = [(c.__name__, partial(c, build, part)) for c in quick]
    findings = [_found(entry, name, check) for name, check in checks]
    run = {finding.check for finding in findings}
    expected = {c: why for c, why in entry.spec.expected_failures.items() if c in run}
    return with_expected_failures(entry, findings, expected)


def concerns(config: RunConfig, registry: Registry) -> list[str]:
    """Return a line for each foreign part that does not keep its contract, with the run's own options.

    Its conformance checks are run, but for those that compile: the first window is checked instead.
    """
    lines = []
    for entry in foreign_parts(config, registry):
        bad = [f for f in quick_findings(entry, config.choices[entry.spec.kind].config) if not f.ok]
        if not bad:
            continue
        # what impurity does shows in many checks; the one that names the cause is said
        bad.sort(key=lambda f: f.check not in _CAUSES)
        more = f"fails {len(bad)} of its checks" if len(bad) > 1 else "fails one of its checks"
        lines.append(
            f"note: {bad[0].reason.removesuffix('.')}. It {more}, and training is tried all the same; "
            f"what each says: memcell plugins {entry.spec.name} --check"
        )
    return lines


def _found(entry: Entry, name: str, check: Callable[[], None]) -> Finding:
    try:
        check()
    except CheckFailed as failed:
        return Finding(check=name, ok=False, reason=f"{entry.origin}: {failed}")
    # Third-party code may raise anything, and must not end the check of the others.
    except (Exception, SystemExit) as error:
        place = "" if entry.built_in else raised_in(error, entry.spec.factory)
        where = f" ({place})" if place else ""
        return Finding(
            check=name, ok=False, reason=f"{entry.origin} raised {line_of(error)}{where}"
        )
    return Finding(check=name, ok=True)


def _first_checks(entry: Entry) -> Iterator[Check]:
    """Yield what has to hold before a plugin can be built."""
    for module in _hook_modules(entry.distribution):
        yield "listing_is_light", partial(check_listing, module)
    if entry.spec.config is not None:
        yield "config_import_is_light", partial(check_config_import, entry.spec.config)
    yield "config_is_declared", partial(_config_is_declared, entry)
    yield "factory_imports", partial(_factory_imports, entry)


def _hook_modules(distribution: str) -> list[str]:
    return sorted(
        {point.module for point in installed() if point.dist and point.dist.name == distribution}
    )


def _config_is_declared(entry: Entry) -> None:
    """Its options have help, types, bounds and defaults that survive being written and read."""
    config = entry.config({})
    again = from_mapping(entry.config_type(), to_mapping(config))
    require(
        again == config,
        expected="the default config to survive being written to a file and read back",
        did=f"{config} became {again}",
        change="Make the config a frozen dataclass whose fields come from memcell.plugins.options.option.",
    )
    overridden: dict[str, Any] = getattr(config, "capabilities", dict)()
    wrong = sorted(set(overridden) - set(entry.spec.__dataclass_fields__))
    require(
        not wrong,
        expected=f"capabilities() to name capabilities of a {entry.spec.kind}",
        did=f"it names {', '.join(wrong)}",
        change="Use the names of the spec's own arguments.",
    )


def _factory_imports(entry: Entry) -> None:
    """Its factory can be imported and called."""
    module, _, attribute = entry.spec.factory.partition(":")
    factory = getattr(import_module(module), attribute)
    require(
        callable(factory),
        expected=f"factory '{entry.spec.factory}' to be a class or a function",
        did=f"it is a {type(factory).__name__}",
        change="Name the class, or a function that builds the plugin.",
    )


def _checks_of_kind(entry: Entry) -> Iterator[Check]:
    build, spec = entry_builder(entry), entry.spec
    if isinstance(spec, CellSpec):
        yield from ((c.__name__, partial(c, build)) for c in CELL_CHECKS)
    elif isinstance(spec, EncoderSpec | HeadSpec):
        part = entry_declared(entry, spec)
        yield from ((c.__name__, partial(c, build, part)) for c in NETWORK_PART_CHECKS)
    elif isinstance(spec, NormalizerSpec):
        norm = entry_declared(entry, spec)
        yield from ((c.__name__, partial(c, build, norm)) for c in NORMALIZER_CHECKS)
    elif isinstance(spec, SamplerSpec):
        sampler = entry_declared(entry, spec)
        yield from ((c.__name__, partial(c, build, sampler)) for c in SAMPLER_CHECKS)
    elif isinstance(spec, StatePolicySpec):
        policy = entry_declared(entry, spec)
        yield from ((c.__name__, partial(c, build, policy)) for c in POLICY_CHECKS)
    elif isinstance(spec, GradientModeSpec):
        mode = entry_declared(entry, spec)
        yield from ((c.__name__, partial(c, build, mode)) for c in GRADIENT_MODE_CHECKS)
    elif isinstance(spec, ProbeSpec):
        subject = ProbeUnderTest(entry, entry.config({}))
        yield from ((c.__name__, partial(c, subject)) for c in PROBE_CHECKS)
    elif spec.kind == "optimizer":
        yield from ((c.__name__, partial(c, build)) for c in OPTIMIZER_CHECKS)
    elif isinstance(spec, FeatureExtractorSpec) and spec.checks:
        module, _, attribute = spec.checks.partition(":")
        checks: Iterable[Callable[..., None]] = getattr(import_module(module), attribute)
        yield from ((c.__name__, partial(c, build)) for c in checks)
    elif isinstance(spec, DatasetSpec):
        yield "card_is_given", partial(_card_is_given, build, spec)
        if spec.recognise is not None:
            yield "recognise_says_no", partial(_recognise_says_no, spec.recognise)
        if spec.checker is not None:
            yield "checker_reports", partial(_checker_reports, entry)
    elif isinstance(spec, ModelSpec):
        yield "card_is_true", partial(_card_is_true, entry)
        yield "network_loads", partial(_network_loads, entry)


def _card_is_given(build: Callable[..., Any], spec: DatasetSpec) -> None:
    """The data set has a card that says what the spec says. Nothing is fetched."""
    try:
        card = build().card
    except MemcellError:
        return  # needs an option, such as a path, and says so
    require(
        isinstance(card, Card),
        expected="card to be a memcell.applications.datasets.Card",
        did=f"it is a {type(card).__name__}",
        change="Return a Card with source, licence and citation.",
    )
    require(
        (card.name, card.simulated) == (spec.name, spec.simulated),
        expected=f"the card to say name '{spec.name}' and simulated {spec.simulated}, as the spec",
        did=f"it says '{card.name}' and {card.simulated}",
        change="Say the same in the spec and on the card.",
    )


def _card_is_true(entry: Entry) -> None:
    """Its files are there, and its card is whole and speaks of these weights."""
    open_model(entry).check()


def _network_loads(entry: Entry) -> None:
    """Its network can be built by its application and takes the weights."""
    registry, model = default_registry(), open_model(entry)
    folder, config = open_run(model.app, model.folder, registry)
    app = registry.get("app", model.app).build(config.app_config, None)
    _, facts = load_model(folder, config, registry, app)
    require(
        bool(facts.notes),
        expected="the facts of the model to hold a note that every output carries",
        did="there is none",
        change="Say in notes what the model knows and what it does not.",
    )


def _checker_reports(entry: Entry) -> None:
    """Its checker reports an empty file as refused, and says which path is wrong."""
    checker = entry.build_checker()
    with TemporaryDirectory() as folder:
        empty = Path(folder) / "empty"
        empty.write_bytes(b"")
        report = checker.check(empty, samples=True, channels=())
    require(
        isinstance(report, FileReport) and report.path == empty and bool(report.refused),
        expected="check to return a memcell.applications.checking.FileReport that refuses an empty file",
        did=f"it returned {report!r}",
        change="Return FileReport(path=path, refused='why').",
    )
    try:
        found = checker.files("/nowhere/at all")
    except MemcellError:
        return
    require(
        False,
        expected="files to raise memcell.errors.UsageError for a path that does not exist",
        did=f"it returned {found!r}",
        change="Raise UsageError and say what was looked for.",
    )


def _recognise_says_no(reference: str) -> None:
    """``recognise`` answers False for a path that is not there, without raising."""
    module, _, attribute = reference.partition(":")
    answer = getattr(import_module(module), attribute)(Path("/nowhere/at all"))
    require(
        answer is False,
        expected="recognise to answer False for a path that does not exist",
        did=f"it answered {answer!r}",
        change="Return a bool, and look before reading.",
    )
