"""A view to scroll and zoom, in one file: signals, spectrogram, lines, bars and a list of events.

It knows recordings of any kind, and nothing of EEG. `memcell.reports.viewer.packing` makes a whole night
small enough for a page, `memcell.reports.viewer.view` puts signals, lines and events together,
and ``viewer.js`` with its neighbours draws them. Nothing is fetched: data, script and style are in the page.
"""
