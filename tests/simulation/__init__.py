"""The whole connector over virtual time."""
