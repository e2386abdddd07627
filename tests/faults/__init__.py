"""Each fault of the promise, against the real connector process: what is lost, what is duplicated."""
