"""The events of the sandbox: how they are made, and in which orders they are kept."""
