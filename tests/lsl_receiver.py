"""A receiver of another process: prints what LSL streams carry, a JSON line a sample, until its input ends.

python receiver.py NAME ...
"""

from __future__ import annotations

import json
import sys
import threading
import time

from mne_lsl.lsl import StreamInlet, local_clock, resolve_streams


def main(names: list[str]) -> None:
    """Connect to streams of these names and print what comes."""
    inlets = {}
    for name in names:
        until = time.monotonic() + 30
        found = []
        while not found and time.monotonic() < until:
            found = resolve_streams(timeout=1, name=name, minimum=1)
        inlets[name] = inlet = StreamInlet(found[0])
        inlet.open_stream(timeout=10)
        info = inlet.get_sinfo(timeout=10)
        described = {
            "type": info.stype, "rate": info.sfreq, "dtype": str(info.dtype), "xml": info.as_xml,
            "labels": info.get_channel_names(), "units": info.get_channel_units(),
        }  # fmt: skip
        print(json.dumps({"stream": name, **described}), flush=True)
    print(json.dumps({"stream": ""}), flush=True)  # all are connected
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.is_set():
        for name, inlet in inlets.items():
            value, stamp = inlet.pull_sample(timeout=0.001 if len(inlets) > 1 else 0.2)
            if stamp is None:
                continue
            at = local_clock()
            text = value[0] if isinstance(value, list) else float(value[0])
            line = {"from": name, "value": text, "stamp": stamp, "received": at}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
