"""The feature extractors that ``--features`` names: those that come with memcell, and those of plugins.

A word of the option is a name, or a name with options behind it: ``slopes:lag=3:robust=true``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from memcell import __version__
from memcell.errors import ConfigError, unknown
from memcell.plugins import Entry, default_registry
from memcell.plugins.options import fields_of
from memcell.plugins.options.values import from_text
from memcell_eeg.features.built_in import BUILT_IN
from memcell_eeg.features.windows import FeatureExtractor, SignalWindow

if TYPE_CHECKING:
    from memcell_eeg.features.pipeline import Pipeline


def name_of(word: str) -> str:
    """Return the name of the extractor that a word of ``--features`` asks for."""
    return word.partition(":")[0]


def entry_of(word: str) -> Entry:
    """Return the plugin that a word of ``--features`` asks for.

    Raises:
        ConfigError: There is none of this name; says which there are.
    """
    name = name_of(word)
    if name in BUILT_IN:
        return Entry(spec=BUILT_IN[name], distribution="memcell-rnn", version=__version__)
    registry = default_registry()
    names = registry.names("feature_extractor")
    if name not in names:
        known = sorted({*BUILT_IN, *names, "auto"})
        raise ConfigError(f"'features': {unknown('feature extractor', name, known)}")
    return registry.get("feature_extractor", name)


def build(word: str, signal: SignalWindow) -> FeatureExtractor:
    """Return the extractor that a word of ``--features`` asks for.

    Raises:
        ConfigError: There is none of this name, or its options are wrong; says what to type.
        PluginError: It cannot be built; names the distribution.
    """
    entry = entry_of(word)
    built: FeatureExtractor = entry.build(signal, _config(entry, word))
    return built


def extractors(pipeline: Pipeline) -> list[FeatureExtractor]:
    """Return what makes the pipeline's features, in the order of their columns."""
    signal = SignalWindow(
        channels=pipeline.channels,
        rate=pipeline.rate,
        window=pipeline.window,
        high=pipeline.high,
    )
    return [build(word, signal) for word in pipeline.features]


def check_words(words: Sequence[str]) -> None:
    """Refuse extractors that are not installed, and options that they do not have, before any is built.

    Raises:
        ConfigError: Says what to type.
    """
    for word in words:
        _config(entry_of(word), word)


def _config(entry: Entry, word: str) -> object:
    """Return the options of an extractor, those that stand behind its name among them."""
    typed = dict(part.partition("=")[::2] for part in word.split(":")[1:])
    if entry.spec.config is None:
        if typed:
            raise ConfigError(
                f"'features' got '{word}', and '{entry.spec.name}' has no options; type {entry.spec.name}."
            )
        return entry.config({})
    known = {f.flag: f for f in fields_of(entry.config_type())}
    values = {}
    for flag, text in typed.items():
        if flag not in known:
            raise ConfigError(unknown(f"option of '{entry.spec.name}'", flag, sorted(known)))
        values[known[flag].name] = from_text(known[flag], text, f"'features' ({word})")
    return entry.config(values)
