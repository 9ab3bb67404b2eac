"""Headings of ``--help``, in the order in which a person decides."""

from __future__ import annotations

DATA = "Data and people"
SIGNAL = "Model and signal"
CHANNELS = "Channels"
EVENTS = "Events"
COMPARISON = "Comparison"
NETWORK = "Network and training"
ALARMS = "Alarms"
RESULTS = "Results"
RUNNING = "Running"

#: All of them; headings of an application's own stand before `RUNNING`.
ALL = (DATA, SIGNAL, CHANNELS, EVENTS, COMPARISON, NETWORK, ALARMS, RESULTS, RUNNING)
