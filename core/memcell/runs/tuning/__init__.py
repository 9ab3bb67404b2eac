"""Choice of settings and length of a training by cross-validation inside the training people.

A task that brings inner folds (`memcell.applications.app.Task.inner`) has nobody set aside for validation.
Each candidate is trained on each fold; the predictions of the people that were left out are pooled, and by
their loss a candidate and a number of updates are chosen (`memcell.runs.tuning.choice`). One network is then
trained on all of them for so long, and its decisions are fitted on the pooled out-of-fold predictions.
"""
