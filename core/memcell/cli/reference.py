"""The reference page: every plugin and option, from specs and config dataclasses."""

from __future__ import annotations

from memcell.errors import MemcellError
from memcell.plugins import Entry, Registry
from memcell.plugins.options import FieldInfo, fields_of
from memcell.plugins.specs import KINDS, Spec
from memcell.settings.options import NetworkConfig, TrainingConfig
from memcell.settings.run_config import engine_defaults

_TITLES = {
    "cell": "Cells",
    "encoder": "Encoders",
    "head": "Heads",
    "normalizer": "Normalizers",
    "sampler": "Samplers",
    "policy": "State policies",
    "optimizer": "Optimizers",
    "gradient": "Gradient modes",
    "probe": "Probes",
    "feature_extractor": "Feature extractors",
    "dataset": "Data sets",
    "app": "Apps",
    "model": "Trained models",
}
_HIDDEN = (
    "recognise",
    "fallback",
    "checker",
    "labels",
    "checks",
    "predict_config",
    "stream_config",
    "late_imports",
)


def reference(registry: Registry) -> str:
    """Return the page as Markdown."""
    lines = [
        "# Reference",
        "",
        "Made by `memcell plugins --markdown` from the specs and config dataclasses; do not edit.",
        "",
        "## Training",
        *_table(fields_of(TrainingConfig), ""),
        "",
        "## Network",
        *_table(fields_of(NetworkConfig), ""),
    ]
    for kind in KINDS:
        lines += ["", f"## {_TITLES[kind.kind]}"]
        for entry in registry.entries(kind.kind):
            try:
                lines += _section(entry)
            except MemcellError as error:  # the others' pages are wanted all the same
                lines += ["", f"### {entry.spec.name}", "", f"Cannot be shown: {error}"]
    return "\n".join(lines) + "\n"


def _section(entry: Entry) -> list[str]:
    """Return what there is to say of a plugin."""
    spec = entry.spec
    lines = ["", f"### {spec.name}", "", spec.summary]
    if spec.reference:
        lines += ["", f"Reference: {spec.reference}."]
    declared = entry.capabilities(entry.config({})).items()
    capabilities = [f"`{name}` {value}" for name, value in declared if name not in _HIDDEN]
    if capabilities:
        lines += ["", "Declares: " + ", ".join(capabilities) + "."]
    if spec.kind == "app":
        own = engine_defaults(entry.config({}))
        changed = [
            f"`--{kind} {value}`"
            if name == "name"
            else f"`--{_engine_prefix(kind)}{name.replace('_', '-')} {value}`"
            for kind, values in own.items()
            for name, value in values.items()
        ]
        if changed:
            lines += ["", f"Its defaults of the options above: {', '.join(changed)}."]
    prefix = option_prefix(spec)
    lines += _table(fields_of(entry.config_type()), prefix)
    for command, config in (
        ("predict", entry.predict_config_type()),
        ("stream", entry.stream_config_type()),
    ):
        if config is not None:
            lines += ["", f"With `memcell {command} {spec.name}`:"]
            lines += _table(fields_of(config), "")
    return lines


def option_prefix(spec: Spec) -> str:
    """Return what stands before the options of a plugin on the command line."""
    special = {"dataset": "data.", "app": "", "probe": f"probe.{spec.name}."}
    return special.get(spec.kind, f"{spec.kind}.")


def _engine_prefix(section: str) -> str:
    return "" if section in ("training", "network") else f"{section}."


def _table(fields: tuple[FieldInfo, ...], prefix: str) -> list[str]:
    if not fields:
        return []
    rows = ["", "| option | default | allowed | what it does |", "|---|---|---|---|"]
    for field in fields:
        default = field.default
        text = ",".join(map(str, default)) if isinstance(default, tuple) else default
        allowed = ", ".join(x for x in (field.bounds, field.unit) if x)
        cell = f"`{text}`" if text not in ("", None) else ""
        rows.append(f"| `--{prefix}{field.flag}` | {cell} | {allowed} | {field.help} |")
    return rows
