"""scikit-learn estimators on sequences: `memcell.fit` behind ``fit`` and ``predict``.

They go where an estimator goes: ``clone``, ``GridSearchCV``, ``cross_val_score`` with groups, ``Pipeline``,
``pickle``. What X and y may be: `memcell.runs.estimators.data`.
"""

from memcell.runs.estimators.classifier import SequenceClassifier
from memcell.runs.estimators.regressor import SequenceRegressor
from memcell.runs.estimators.scores import StepScorer, step_scorer

__all__ = ["SequenceClassifier", "SequenceRegressor", "StepScorer", "step_scorer"]
