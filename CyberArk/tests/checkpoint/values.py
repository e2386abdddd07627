"""Values for tests, and Hypothesis's strategies for them. Times are in seconds after `T0`, a full minute."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from cyberark_modules.checkpoint.keys import Bucket, Keys, Legacy
from cyberark_modules.checkpoint.value import Checkpoint, Reader, Window
from cyberark_modules.events import Event, uuid_key

T0 = 1_800_000_000_000
HORIZON_S = 600


def at(seconds: float) -> int:
    return T0 + int(seconds * 1000)


def window(start_s: float, end_s: float | None = None, **fields: Any) -> Window:
    return Window(at(start_s), None if end_s is None else at(end_s), **fields)


def reader(number: int = 1, start_s: float = 0, end_s: float | None = None, **fields: Any) -> Reader:
    """A reader of that window; `times_s` are those of its last events, `size` is that of its pages."""
    if "times_s" in fields:
        fields["times"] = tuple(map(at, fields.pop("times_s")))
        fields.setdefault("newest_ms", max(fields["times"], default=0))
        fields.setdefault("events", len(fields["times"]))
    size = fields.pop("size", 500)
    return Reader(**{
        "number": number, "window": window(start_s, end_s, page_size=size), "opened_ms": at(3600), "cursor": "c",
        **fields,
    })  # fmt: skip


def event(seconds: float | None, number: int = 0, uuid: str | None = None) -> Event:
    return Event(f'{{"n":{number}}}', uuid_key(f"{seconds} {number}"), None if seconds is None else at(seconds), uuid)


def checkpoint(*windows: Window, live_s: float = 0, **fields: Any) -> Checkpoint:
    return Checkpoint((*windows, window(live_s)), **fields)


def plain(one: Checkpoint) -> object:
    """What can be compared: buckets are told apart by their keys."""
    keys = one.keys
    buckets = {minute: bucket.keys for minute, bucket in keys.by_minute.items()}
    legacy = (keys.legacy.uuids.keys, keys.legacy.before_ms, keys.legacy.from_ms)
    return replace(one, keys=replace(keys, by_minute={}, legacy=Legacy())), buckets, legacy


def seconds_in(windows: tuple[Window, ...], until_s: int = HORIZON_S) -> set[int]:
    """The seconds that those windows name."""
    named: set[int] = set()
    for one in windows:
        end_s = until_s if one.end_ms is None else (one.end_ms - T0) // 1000
        named.update(range((one.start_ms - T0) // 1000, end_s))
    return named


def is_in_order(windows: tuple[Window, ...]) -> bool:
    *bounds, end = [bound for one in windows for bound in (one.start_ms, one.end_ms)]
    return end is None and bounds == sorted(bound for bound in bounds if bound is not None)


texts = st.text(max_size=8)
times_ms = st.integers(T0 - 10**9, T0 + 10**9)
counts = st.integers(0, 1000)
some_keys = st.sampled_from([[b"1" * 12], [b"2" * 12, b"3" * 12]])
buckets = st.dictionaries(st.integers(0, 10**8), some_keys.map(Bucket().with_keys), max_size=3)


@st.composite
def window_lists(draw: st.DrawFn) -> tuple[Window, ...]:
    """Closed windows in order before HORIZON_S."""
    bounds = [*sorted(draw(st.lists(st.integers(0, HORIZON_S - 1), unique=True, max_size=9))), HORIZON_S]
    sizes = st.sampled_from([500, 10, 1])
    return tuple(
        window(start, end, again=draw(st.booleans()), page_size=draw(sizes), failures=draw(st.integers(0, 2)))
        for start, end in zip(bounds[::2], bounds[1::2], strict=False)
    )


@st.composite
def checkpoints(draw: st.DrawFn) -> Checkpoint:
    """Any checkpoint that can be saved."""
    windows = draw(window_lists())
    marks = st.lists(st.tuples(texts, st.lists(times_ms, max_size=2).map(tuple)), min_size=1, max_size=2).map(tuple)
    some = st.builds(
        Reader, counts, st.sampled_from([*windows, window(HORIZON_S)]), times_ms, texts, texts,
        st.lists(times_ms, max_size=3).map(tuple), times_ms, counts, marks=marks, caught_up=st.booleans(),
    )  # fmt: skip
    return checkpoint(
        *windows,
        live_s=HORIZON_S,
        readers=tuple(draw(st.lists(some, max_size=2))),
        keys=Keys(draw(buckets), draw(times_ms), Legacy(Bucket().with_keys([b"k" * 12]), 7, 5), 1, 2),
        queried_ms=draw(st.none() | times_ms),
        tenant_id=draw(texts),
        uuids=tuple(draw(st.lists(texts, max_size=3))),
    )
