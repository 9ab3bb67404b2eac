"""The network: encoder, recurrent layers, readout, and the initial state of a restarted lane."""
