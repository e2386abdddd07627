"""The Sekoia platform and its intake."""
