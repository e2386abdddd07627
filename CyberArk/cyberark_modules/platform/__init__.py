"""The Sekoia SDK's traps, each worked round in one place: start, stop, logs, secrets, background calls."""
