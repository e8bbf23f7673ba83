"""The engine's real flows in a universe made from a seed: own event loop, own clock, faults at every awaited call."""
