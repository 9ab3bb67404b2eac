"""Processes killed at random moments and gone on with: what they leave has the bytes of an undisturbed run.

``python -m tests.campaigns.kills WHAT [--kills N] [--seed S]``; WHAT is

- ``train``: SIGKILL of ``memcell train --probe …``, a third of them while a checkpoint is being written; each
  run is killed several times before it may come to its end;
- ``compare``: of ``memcell compare``;
- ``loso``: of ``memcell train --split loso``;
- ``predict``: of ``memcell predict --jobs 2``, whose workers are orphans then;
- ``evaluate``, ``export``: of these, half of them at a random byte of a file that they write; what was in the
  run folder before is there still, and each file of theirs is that of before or a whole new one;
- ``workers``: of workers of ``predict``, ``compare`` and ``loso`` with ``--jobs 2``; none is to blame;
- ``schedulers``: of the scheduler of ``memcell predict --scheduler``.
"""
