"""The engine: which query to open, which page to ask for, and what a delivered page means. No I/O of its own."""
