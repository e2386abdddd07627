"""Events that a tenant sends although no documentation says so."""

import random
from datetime import UTC, datetime


def malformed_events(now: float, rng: random.Random) -> dict[str, str]:
    """Events around `now` (epoch seconds) by what is wrong with them. Each call gives other events."""
    now_ms = int(now * 1000)
    times = {
        "timestamp as a string": f'"{now_ms}"',
        "timestamp as a float": f"{now_ms}.25",
        "timestamp null": "null",
        "timestamp in seconds": str(int(now)),
        "timestamp as ISO text": f'"{datetime.fromtimestamp(now, UTC).isoformat()}"',
        "timestamp hours ahead": str(now_ms + 5 * 3600 * 1000),
        "timestamp far beyond any date": "9" * 30,
        "timestamp as words": '"yesterday"',
        "timestamp negative": "-1",
        "timestamp as a list": "[]",
    }
    events = {name: _event(rng, timestamp=stamp) for name, stamp in times.items()}
    events["timestamp absent"] = _event(rng)
    stamp = str(now_ms)
    identifiers = {
        "uuid null": "null",
        "uuid a number": str(rng.getrandbits(40)),
        "uuid empty": '""',
        "uuid a list": "[]",
    }
    for name, identifier in identifiers.items():
        events[name] = _event(rng, uuid=identifier, timestamp=stamp)
    events["uuid absent"] = _event(rng, uuid="", timestamp=stamp)
    texts = {
        "lone surrogate": r'"cut \ud83d"',
        "lone surrogate at the start": r'"\udc00 cut"',
        "integers beyond 64 bits": f"[{'9' * 40},-{'8' * 25},1e400]",
        "numbers spelt oddly": "[1.10,1E5,-0.0,100000000000000000000.0]",
        "300 000 characters": f'"{"x" * 300_000}"',
        "200 000 characters": f'"{"é" * 200_000}"',
        "nested deeply": "[" * 100 + "]" * 100,
        "a key twice": '1,"message":2',
        "spaces between": ' [ 1 ,\t{ "a" : null } ] ',
        "escapes that need none": r'"\u0041\/\u00e9\u0000"',
    }
    for name, text in texts.items():
        events[name] = _event(rng, timestamp=stamp, message=text)
    number = rng.getrandbits(50)
    events["a number in place of an event"] = str(number)
    events["a text in place of an event"] = f'"event {number}"'
    events["a list in place of an event"] = f"[{number}]"
    events["an empty object, but for a number"] = f'{{"n":{number}}}'
    return events


def events_with_line_breaks(now: float, rng: random.Random) -> list[str]:
    """Events whose text is more than one line: laid out for people, or with a line break inside of a string."""
    stamp = str(int(now * 1000))
    within = _event(rng, timestamp=stamp, message='"first line\nsecond line"')
    laid_out = _event(rng, timestamp=stamp).replace(",", ",\n  ").replace("{", "{\n  ", 1)
    return [within, laid_out]


def _event(rng: random.Random, **values: str) -> str:
    """An event's JSON text; a value of "" leaves its key out."""
    fields = {"uuid": f'"{_uuid(rng)}"', "applicationCode": '"PAM"', "auditType": '"Info"', **values}
    fields["customData"] = f'{{"nonce":{rng.getrandbits(48)}}}'
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields.items() if value) + "}"


def _uuid(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"
