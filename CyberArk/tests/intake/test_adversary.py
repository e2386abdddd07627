"""An intake that does whatever Hypothesis wants, and kills between any two steps: nothing is lost or left behind."""

import random
import tempfile
from pathlib import Path
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st

from cyberark_modules.files import DiskFile
from intake.world import BLOCK_PAGE, RESET, SILENCE, Caller, Killed, events

ANSWERS = st.sampled_from([400, 403, 413, 429, 500, 503, BLOCK_PAGE, SILENCE, RESET])
# What the intake does for how long (s): to which part of the requests, or to those with one of every n events.
PHASES = st.lists(
    st.tuples(st.integers(5, 600), ANSWERS, st.sampled_from([0.0, 0.1, 0.6, 1.0]), st.sampled_from([0, 0, 7, 50])),
    min_size=1,
    max_size=3,
)


@settings(max_examples=10)
@example([(594, SILENCE, 0.1, 50)], 631, 0, [])
@given(PHASES, st.integers(0, 2**32), st.sampled_from([0, 1, 20]), st.lists(st.integers(1, 150), max_size=4))
def test_nothing_is_lost_and_nothing_innocent_is_left(
    phases: list[tuple[int, int, float, int]], seed: int, rate: int, kills: list[int]
) -> None:
    dice, write = random.Random(seed), DiskFile.write
    steps, kill_at = 0, set(kills)

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps in kill_at:
            raise Killed

    def killable(file: DiskFile, content: bytes) -> None:
        step()
        write(file, content)
        step()

    with tempfile.TemporaryDirectory() as folder, patch.object(DiskFile, "write", killable):
        caller = Caller(Path(folder))
        caller.http.step = step
        caller.arrive(events(dice.randrange(1, 700)))
        for seconds, answer, part, every in phases:
            rejected = {event.text for event in events(700)[::every]} if every else set()
            caller.http.rule = lambda sent, _now, answer=answer, part=part, rejected=rejected: (  # type: ignore[misc]
                answer if dice.random() < part or rejected & set(sent) else 200
            )
            before = len(caller.http.requests)
            caller.run(seconds, rate)
            assert len(caller.http.requests) - before <= 11 * seconds
        caller.http.rule = lambda *_: 200
        # What fails at random leaves single events, of which a few are sent each second.
        caller.run(600 + sum(seconds for seconds, _, part, _ in phases if part == 0.6) // 3, rate)
        caller.http.step = lambda: None
        caller.run(130 if caller.killed_at else 10)
        assert caller.in_file() == []
        assert set(caller.http.accepted) == set(caller.arrived_at)
        twice = {text for text, count in caller.http.accepted.items() if count > 1}
        in_flight = {
            text
            for at, texts, _ in caller.http.requests
            for text in texts
            if any(at <= killed <= at + 130 for killed in caller.killed_at)
        }
        assert twice <= in_flight
