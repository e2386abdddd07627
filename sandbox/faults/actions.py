"""What a fault does to the world, at its beginning, at its end, or again and again."""

from itertools import islice

from sandbox.faults.fault import Running
from sandbox.world.events import made_event, malformed_events

_HOUR_S = 3600.0
_AT_MOST = 100_000


def fail_page(running: Running) -> None:
    """Fail every page with one event that is not delivered."""
    running.world.fail_page_of(_any_waiting(running), running.fault.how, running.value)


def fail_next_page(running: Running) -> None:
    """Fail every page with the event that happens next, for an hour."""
    running.world.fail_page_of(len(running.world.index), running.fault.how, _HOUR_S)


def heal_pages(running: Running) -> None:
    running.world.audit.failing.clear()


def reject_event(running: Running) -> None:
    running.world.reject_event(_any_waiting(running))


def reject_nothing(running: Running) -> None:
    running.world.settings.sekoia.rejected_texts = ()


def refuse_cursors(running: Running) -> None:
    """Refuse all cursors, but not those that are in use when it begins."""
    if running.count > 1:
        running.world.audit.refuse_cursors()


def use_up_the_minute(running: Running) -> None:
    """Open a query in the name of another integration."""
    running.world.audit.use_up_the_minute()


def revoke_tokens(running: Running) -> None:
    running.world.identity.revoke_tokens()


def add_malformed(running: Running) -> None:
    """Put in malformed events, one of each kind."""
    for text in malformed_events(running.world.now(), running.rng).values():
        running.world.add(text)


def add_several_lines(running: Running) -> None:
    """Put in an event that is laid out for people, and one with a line break in a string."""
    stamp = str(int(running.world.now() * 1000))
    running.world.add(made_event(running.rng, timestamp=stamp, message='"first line\nsecond line"'))
    running.world.add(made_event(running.rng, timestamp=stamp).replace(",", ",\n  ").replace("{", "{\n  ", 1))


def burst(running: Running) -> None:
    """Put in many events within one second."""
    now, count = running.world.now(), int(running.value)
    for number in range(count):
        running.world.add(time=now + number / count)


def _any_waiting(running: Running) -> int:
    """Return one of the events that are not delivered, the next one to happen where there is none."""
    waiting = list(islice(running.world.ledger.unaccepted(), _AT_MOST))
    return running.rng.choice(waiting) if waiting else len(running.world.index)
