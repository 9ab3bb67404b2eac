"""Live detection: samples in as they arrive, a probability for every step and alarms out.

- `options`: the command-line options; `opening`: the source and the features, from options and facts;
- `source`: the interface of a signal source; `file_source` plays a recording at any speed, `lsl_source`
  reads a stream of the lab streaming layer; `matching` checks channels, rate and unit of a stream,
  `amplitude` whether its unit is plausible; `channels`: which of the model's channels it has, and
  `first_signal` those without a signal at its start;
- `gaps`: gaps in the signal, found from the time stamps; `rate`: whether the time stamps fit the stated rate;
  `still`: flat and saturated channels;
- `detector`: from samples to probabilities, one step at a time;
- `alarm`: from probabilities to alarms;
- `output`: all that leaves a stream; `clock`: LSL's and wall-clock times; `outlets`: LSL streams that are
  sent; `commands`: commands that are run at alarms;
- `events`: the event log and the result files; `writing`: writing that survives a full disk; `counts`: the
  summary; `run`: the whole stream; `cost`: CPU time of a step.

`options` imports nothing heavy, and only `lsl_source` and `outlets` need the extra ``live``.
"""
