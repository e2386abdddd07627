"""The engine: which query to open, which page to ask for, and what a delivered page means. No I/O of its own.

Read it in this order:

- loop: one turn of the loop, which calls everything else. resume: the start before it.
- streams, pages, rate_limiter: fetching the pages of the open streams.
- reading, endings: what a page makes of its stream, and whether the stream has ended.
- delivery: pushing, retrying, holding, dead letters.
- state, closing: committing the checkpoint, and what it covers once a stream ends.
- queries, scheduler: which query the free minute is used for.
- failures, narrowing: what becomes of a stream or a gap when a call fails.
- survey: what is measured and said. surroundings: time, waits, and the request to stop.
"""
