"""Options of the built-in optimizers. Imports no torch. The learning rate is the run's own option."""

from __future__ import annotations

from dataclasses import dataclass

from memcell.errors import ConfigError
from memcell.plugins.options import option


@dataclass(frozen=True, kw_only=True)
class AdamConfig:
    """Options of ``adam``."""

    beta1: float = option(0.9, help="Decay of the mean gradient.", low=0, high=0.999999)
    beta2: float = option(0.999, help="Decay of the mean squared gradient.", low=0, high=0.999999)
    eps: float = option(1e-8, help="Added to the root of the mean squared gradient.", low=0)
    weight_decay: float = option(0.0, help="L2 penalty, added to the gradient.", low=0)


@dataclass(frozen=True, kw_only=True)
class AdamWConfig:
    """Options of ``adamw``."""

    beta1: float = option(0.9, help="Decay of the mean gradient.", low=0, high=0.999999)
    beta2: float = option(0.999, help="Decay of the mean squared gradient.", low=0, high=0.999999)
    eps: float = option(1e-8, help="Added to the root of the mean squared gradient.", low=0)
    weight_decay: float = option(
        0.01, help="Share of a weight taken off at each update, times the learning rate.", low=0
    )


@dataclass(frozen=True, kw_only=True)
class SGDConfig:
    """Options of ``sgd``."""

    momentum: float = option(0.0, help="Share of the last step in the next one.", low=0, high=1)
    nesterov: bool = option(False, help="Nesterov's momentum; wants momentum above 0.")
    weight_decay: float = option(0.0, help="L2 penalty, added to the gradient.", low=0)

    def validate(self) -> None:
        """Refuse Nesterov's momentum of 0.

        Raises:
            ConfigError: ``nesterov`` without ``momentum``.
        """
        if self.nesterov and self.momentum == 0:
            raise ConfigError("sgd: nesterov wants a momentum above 0, such as momentum 0.9")


@dataclass(frozen=True, kw_only=True)
class RMSpropConfig:
    """Options of ``rmsprop``."""

    alpha: float = option(0.99, help="Decay of the mean squared gradient.", low=0, high=1)
    momentum: float = option(0.0, help="Share of the last step in the next one.", low=0, high=1)
    eps: float = option(1e-8, help="Added to the root of the mean squared gradient.", low=0)
    weight_decay: float = option(0.0, help="L2 penalty, added to the gradient.", low=0)


@dataclass(frozen=True, kw_only=True)
class AdadeltaConfig:
    """Options of ``adadelta``."""

    rho: float = option(0.9, help="Decay of the mean squares.", low=0, high=1)
    eps: float = option(1e-6, help="Added inside the roots; sets the first steps' size.", low=0)
    weight_decay: float = option(0.0, help="L2 penalty, added to the gradient.", low=0)


@dataclass(frozen=True, kw_only=True)
class GatedMemoryConfig:
    """Options of ``gated_memory``."""

    gate: float = option(
        0.8, help="Share g of the new step; 1 is plain gradient descent.", low=0.01, high=1
    )
    mode: str = option(
        "fixed",
        help="The gate stays as it is, is learned, or is learned for each parameter.",
        choices=("fixed", "learned", "per_parameter"),
    )
    gate_rate: float = option(0.1, help="Step size of a learned gate's logit.", low=0, high=100)

    def validate(self) -> None:
        """Refuse to learn a gate that cannot move.

        Raises:
            ConfigError: A learned gate begins at 1.
        """
        if self.mode != "fixed" and self.gate == 1:
            raise ConfigError(
                "gated_memory: a learned gate cannot begin at 1 (its logit is infinite); try gate 0.9"
            )


@dataclass(frozen=True, kw_only=True)
class GatedLagsConfig:
    """Options of ``gated_lags``."""

    last: float = option(
        0.5,
        help="Gate on the last change of the weights, that of the start where it is learned.",
        low=-0.99,
        high=0.99,
    )
    second: float = option(
        0.0,
        help="Gate on the change before the last one, that of the start where it is learned.",
        low=-0.99,
        high=0.99,
    )
    mode: str = option(
        "per_parameter",
        help="The gates stay as they are, are learned, or are learned for each parameter.",
        choices=("fixed", "learned", "per_parameter"),
    )
    lags: int = option(
        2,
        help="How many changes are remembered: the last one, or the one before as well.",
        low=1,
        high=2,
    )
    gate_rate: float = option(0.002, help="Step size of a learned gate's logit.", low=0, high=100)

    def validate(self) -> None:
        """Refuse gates under which a change would not fade.

        Raises:
            ConfigError: The two are too large together, or there is one lag and a gate on the second.
        """
        if self.lags == 1 and self.second:
            raise ConfigError(
                f"gated_lags: second is {self.second:g} and lags is 1; take lags 2, or leave second out"
            )
        if abs(self.last) + abs(self.second) > 0.99:
            raise ConfigError(
                f"gated_lags: last {self.last:g} and second {self.second:g} are more than .99 together, so "
                "that a change would not fade; take smaller ones"
            )


_INNER = ("adam", "sgd")


@dataclass(frozen=True, kw_only=True)
class LookaheadConfig:
    """Options of ``lookahead``."""

    inner: str = option("sgd", help="The optimizer that makes the fast steps.", choices=_INNER)
    momentum: float = option(0.9, help="Momentum of inner=sgd.", low=0, high=1)
    k: int = option(5, help="Fast steps before the slow weights move.", unit="updates", low=1)
    alpha: float = option(0.5, help="Share of the way that the slow weights go.", low=0, high=1)


@dataclass(frozen=True, kw_only=True)
class AveragedConfig:
    """Options of ``averaged``."""

    inner: str = option("adam", help="The optimizer that makes the steps.", choices=_INNER)
    momentum: float = option(0.0, help="Momentum of inner=sgd.", low=0, high=1)
    kind: str = option(
        "exponential",
        help="Means that forget, or that weigh every update the same.",
        choices=("exponential", "uniform"),
    )
    decay: float = option(0.999, help="What an exponential mean keeps at an update.", low=0, high=1)
    start: int = option(0, help="Updates before averaging begins.", unit="updates", low=0)
