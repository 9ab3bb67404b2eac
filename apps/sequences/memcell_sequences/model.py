"""A trained network in a program of one's own: ``memcell.load(RUN).predict(x)``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.applications.detecting import DetectorRequest
from memcell.errors import DataError
from memcell_sequences.prediction import Plans, SequencePredictor, decisions
from memcell_sequences.reading import read_table, table_of


class SequenceModel:
    """A trained network of ``memcell train sequences`` or `memcell.fit`.

    Args:
        asked: What `memcell.load` found.

    Attributes:
        features: Names of the features a step.
        outputs: Names of the outputs: classes, values or labels.
        kind: ``"classes"``, ``"values"``, ``"labels"`` or ``"next"``.
    """

    def __init__(self, request: DetectorRequest) -> None:
        self._request = request
        self._plans = Plans.of(request.prediction.facts)
        self.features = self._plans.inputs.names
        self.outputs = self._plans.target.outputs
        self.kind = self._plans.target.kind

    def predict(self, x: Any) -> Any:
        """Return what the network says of each step, ``[steps, outputs]``: probabilities, or values.

        Args:
            x: One sequence, ``[steps, features]`` (of ``kind="next"`` its tokens); a list of them; a dict of
                arrays as `memcell.fit` takes it; a file, or a folder, for which a dict by name is returned.

        Raises:
            DataError: It is not of the form that the network was trained on.
        """
        if isinstance(x, str | Path):
            return self._of_files(x)
        if isinstance(x, list) and x and all(hasattr(one, "shape") for one in x):
            return [self.predict(one) for one in x]
        if isinstance(x, Mapping):
            return self._of_table({str(k): v for k, v in x.items()})
        return self._of_array(x)

    def decide(self, x: Any) -> Any:
        """Return the class of each step, by its name, for one sequence of `predict`.

        Raises:
            DataError: As `predict`; or its targets are no classes.
        """
        found = decisions(self._plans.target, self.predict(x))
        if found is None:
            raise DataError(f"the targets are {self.kind}, no classes: use predict")
        return found

    def __repr__(self) -> str:
        """Return what it is."""
        return f"<memcell sequences model {self._request.name}: {self._request.prediction.facts['knows']}>"

    def _of_array(self, x: Any) -> NDArray[np.float32]:
        if hasattr(x, "detach"):
            x = x.detach().cpu().numpy()
        found = np.asarray(x)
        if found.ndim and not len(found):
            raise DataError("x has no steps; expected one or more")
        if found.dtype == object and found.ndim == 1 and all(isinstance(v, str) for v in found):
            found = found.astype(np.str_)
        roles, width = self._plans.inputs.roles, len(self.features)
        if roles.tokens and not width:
            if found.ndim != 1:
                raise DataError(
                    f"x has the shape {list(found.shape)}; the model takes tokens [steps]"
                )
            return self._of_table({self._plans.target.names[0]: found})
        if found.ndim == 1 and width == 1:
            found = found[:, None]
        if found.ndim != 2 or found.shape[1] != width:
            few = ", ".join(self.features[:6]) + (", ..." if width > 6 else "")
            raise DataError(
                f"x has the shape {list(found.shape)}; the model takes [steps, {width}], the features {few}"
            )
        if found.dtype.kind not in "biuf":
            raise DataError(f"x is of dtype {found.dtype}; expected numbers")
        if roles.tokens:
            raise DataError(
                "the model takes tokens and features: give a dict of arrays by column name"
            )
        return self._of_columns(found)

    def _of_columns(self, x: NDArray[Any]) -> NDArray[np.float32]:
        from memcell_sequences.selecting import RawSequence

        values = np.asarray(x, dtype=np.float64)
        if np.isinf(values).any():
            step = int(np.argwhere(np.isinf(values))[0][0])
            raise DataError(f"x is infinite at step {step}; expected numbers")
        raw = RawSequence(name="x", subject="x", x=values, features=self.features, y=None)
        return self._request.infer(self._plans.series(raw))

    def _of_table(self, arrays: Mapping[str, Any]) -> NDArray[np.float32]:
        raw = self._plans.raw(table_of("x", arrays), "x")
        return self._request.infer(self._plans.series(raw))

    def _of_files(self, path: str | Path) -> dict[str, NDArray[np.float32]]:
        found = SequencePredictor(self._request.prediction).find([str(path)])
        return {
            item.name: self._request.infer(
                self._plans.series(self._plans.raw(read_table(item.path), item.name))
            )
            for item in found
        }
