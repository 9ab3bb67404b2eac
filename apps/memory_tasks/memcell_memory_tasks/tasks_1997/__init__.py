"""The tasks of "Long short-term memory" (1997) under the paper's own protocol: online, squared error.

``python -m memcell_memory_tasks.tasks_1997 --help`` is the command. Unlike ``memcell train memory``, which
trains any cell on streams with the engine's trainer, this makes an update after each step that has an
error, starts every sequence with an empty memory, and stops by the paper's rule, so that what it counts,
sequences, is what the paper counts.

- `sequences`: how each task draws a sequence;
- `definitions`: each task's network, rate, initial weights and stopping rule, and the published figures;
- `network`: the network of 1997, on this project's ``lstm97``;
- `real_time`: the paper's learning algorithm, in numpy and (`compiled`, ``real_time.c``) in C;
- `stopping`: the stopping rules;
- `trial`: one trial; `suite`: many, kept in a folder, and the table beside the published figures.
"""
