#!/usr/bin/env bash
# Scores the model that comes along on recordings that it never saw, pooled and by recording, with intervals over
# people. The DREAMS sleep excerpts (Zenodo 2650142) as EDF+ with stages, for the numbers of docs/sleep.md.
#   bash docs/results/wake_sleep_score.sh FOLDER [OUT]
set -euo pipefail
memcell evaluate sleep wake_sleep --data "$1" --out "${2:-wake_sleep-scores}"
