"""The truth of a run: what was made, shown and accepted, and what was lost or came twice on the way."""
