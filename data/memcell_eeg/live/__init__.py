"""The detector live: samples in as they come, a probability at every step and alarms out.

- `options`: what can be typed;
- `source`: what a source gives; `file_source` a recording at any speed, `lsl_source` a stream of the lab
  streaming layer; `matching` channels, rate and unit of a stream, `amplitude` whether its unit can be right;
- `gaps`: where the signal is interrupted, found from the time stamps;
- `detector`: samples to probabilities, the pipeline and the network one step at a time;
- `alarm`: probabilities to alarms;
- `lines`: what is written; `run`: all of it together; `cost`: what a step takes.

`options` imports nothing heavy, and only `lsl_source` needs the extra ``live``.
"""
