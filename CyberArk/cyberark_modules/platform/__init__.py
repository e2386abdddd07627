"""Workarounds for the traps of the Sekoia SDK, each in one place: start, stop, logs, secrets, background calls."""
