"""The engine: read `loop.py` first. Pure functions decide: `scheduler.py`, `reading.py`, `cut.py`."""
