"""What two connectors export in each situation, and which alerts fire: the unit tests of docs/alerts.yml.

Instance a has the problem, instance b runs beside it without one. Values are in promtool's notation, a sample a
minute: `4x30` is 4 for 31 minutes, `0+60x9` rises by 60 a minute, `_` is no sample, `stale` ends a series.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

OURS, COMMON = "symphony_module_cyberark_", "symphony_module_common_"
START = "start_timestamp_seconds"
LAG, WATERMARK_LAG = "lag_seconds", "watermark_lag_seconds"
BACKLOG, GAP_AGE, FAILING_GAPS = "backlog_seconds", "oldest_gap_age_seconds", "failing_gaps"
LOST, EVICTED, EFFECTIVE_OVERLAP = "lost_seconds_total", "seen_keys_evicted_total", "effective_overlap_seconds"
REACH = "reconciliation_reach_seconds"
HELD, DEAD_LETTERS, INTERVAL = "held_events", "dead_letters", "throttled_interval_seconds"
LATE_BEYOND_OVERLAP = 'events_total{outcome="late_beyond_overlap"}'
TOO_LARGE, MALFORMED = 'events_total{outcome="too_large"}', 'events_total{outcome="malformed"}'
COLLECTION, DELIVERY = 'retries_total{service="collection"}', 'retries_total{service="delivery"}'
WRITTEN = 'state_write_duration_seconds_count{outcome="written"}'
WRITE_ERROR = 'state_write_duration_seconds_count{outcome="error"}'
FORWARDED = f'{COMMON}forwarded_events_total{{intake_key="key"}}'


def requests(endpoint: str, outcome: str) -> str:
    """The counter of requests to CyberArk."""
    return f'api_request_duration_seconds_count{{endpoint="{endpoint}",outcome="{outcome}"}}'


QUERY, RESULTS = requests("query", "200"), requests("results", "200")

Values = Mapping[str, str]

# Every metric that a rule looks at, of a connector that collects from a busy tenant.
BUSY: Values = {
    "up": "1x800",
    START: "-86400x800",
    LAG: "4x800",
    WATERMARK_LAG: "360x800",
    "overlap_seconds": "300x800",
    EFFECTIVE_OVERLAP: "300x800",
    REACH: "86400x800",
    "seen_keys_forgotten_total": "0x800",
    BACKLOG: "0x800",
    GAP_AGE: "0x800",
    FAILING_GAPS: "0x800",
    LOST: "0x800",
    EVICTED: "0x800",
    HELD: "0x800",
    DEAD_LETTERS: "0x800",
    INTERVAL: "0x800",
    LATE_BEYOND_OVERLAP: "0x800",
    TOO_LARGE: "0x800",
    MALFORMED: "0x800",
    COLLECTION: "0x800",
    DELIVERY: "0x800",
    requests("token", "200"): "1x800",
    QUERY: "0+1x800",
    RESULTS: "0+20x800",
    WRITTEN: "0+1x800",
    WRITE_ERROR: "0x800",
    FORWARDED: "0+60x800",
}
QUIET: Values = {**BUSY, WRITTEN: "1x800", FORWARDED: "0x800"}
# Nothing is read or sent from minute 30 on.
STOPPED: Values = {QUERY: "0+1x30 30x800", RESULTS: "0+20x30 600x800"}
# Another integration takes the query of the minute, every time, and five of six pages are refused too.
THROTTLED: Values = {
    **BUSY,
    LAG: "300+0.5x800",
    WATERMARK_LAG: "600+20x800",
    INTERVAL: "60x800",
    COLLECTION: "0+2x800",
    QUERY: "0x800",
    requests("query", "429"): "0+1x800",
    RESULTS: "0+0.2x800",
    requests("results", "429"): "0+1x800",
}


def ends_at(minute: int, values: Values) -> Values:
    """The same until that minute; from then on the process is gone."""
    ended = {name: value.replace("x800", f"x{minute}") + " stale" for name, value in values.items()}
    return {**ended, "up": f"1x{minute} 0x800"}


def crash_loop(up: int, down: int, loop: Values | None = None) -> Values:
    """A process that runs for 30 minutes, and then only for `up` minutes in `up` + `down`.

    The values of `loop` are those of one run, by the metric; it is started 40 times.
    """
    gone = "stale " + "_ " * (down - 1)
    restarts, period = 40, up + down
    starts = " ".join(" ".join([str(60 * (31 + run * period))] * up) + f" {gone}" for run in range(restarts))
    values = {"up": "1x30 " + ("1 " * up + "0 " * down) * restarts, START: f"-86400x30 {starts}"}
    for name, run in (loop or {}).items():
        values[name] = f"{BUSY[name].replace('x800', 'x30')} " + f"{run} {gone}" * restarts
    return values


@dataclass(frozen=True)
class Scenario:
    """What instance a exports, and b beside it, and which alerts fire for a at those times: all of them.

    `name` reads on from "when". At `silent_until` no alert has fired in the whole time before. `job` is what the
    scrape configuration calls both.
    """

    name: str
    a: Values
    fires: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    silent_until: str = ""
    job: str = "siem"
    b: Values = field(default_factory=lambda: BUSY)


SILENT = (
    Scenario("two busy connectors collect", BUSY, silent_until="5h"),
    Scenario("two tenants are quiet and their tails are read", QUIET, silent_until="5h", b=QUIET),
    Scenario(
        "the tail of a quiet tenant is answered with 204 and one page in a hundred fails",
        {**QUIET, RESULTS: "1x800", requests("results", "204"): "0+20x800", requests("results", "500"): "0+0.2x800"},
        silent_until="5h",
    ),
    Scenario("a connector is throttled and nothing is lost", THROTTLED, silent_until="5h"),
    Scenario(
        "a connector waits for an hour because Retry-After asks for it",
        {
            **THROTTLED,
            INTERVAL: "3600x60 0x100",
            LAG: "60+60x60 4x100",
            requests("query", "429"): "0 1x59 2x100",
            requests("results", "429"): "0x800",
            RESULTS: "0x60 0+20x100",
            QUERY: "0x60 0+1x100",
        },
        silent_until="2h",
    ),
    Scenario(
        "an upgrade takes four minutes",
        {**BUSY, "up": "1x30 0x3 1x200", START: "-86400x30 stale _x3 2040x200"},
        silent_until="3h",
    ),
    Scenario(
        "the API is down for ten minutes",
        {
            **BUSY,
            RESULTS: "0+20x30 600x9 600+20x200",
            requests("results", "503"): "0x30 1+1x9 10x200",
            COLLECTION: "0x30 1+1x9 10x200",
            LAG: "4x30 60+60x9 4x200",
        },
        silent_until="3h",
    ),
    Scenario(
        "a backlog of a day is read in six hours",
        {**BUSY, BACKLOG: "0x30 86400-240x360 0x100", GAP_AGE: "0x30 86400+60x360 0x100"},
        silent_until="8h",
    ),
    Scenario(
        "a backlog of five days is read in six hours",
        {**BUSY, BACKLOG: "90000-240x375 0x100", GAP_AGE: "450000+60x375 0x100"},
        silent_until="6h",
    ),
    Scenario(
        "half of the writes of the state fail",
        {**BUSY, WRITE_ERROR: "0+1x200", WRITTEN: "0+1x200"},
        silent_until="3h",
    ),
    Scenario("one write of the state fails", {**BUSY, WRITE_ERROR: "0x30 1x200"}, silent_until="3h"),
    Scenario(
        "the intake refuses one event of many, again and again",
        {**BUSY, DELIVERY: "0x30 0+1x60 60x200", HELD: "0x30 1x30 0x200"},
        silent_until="4h",
    ),
    Scenario(
        "a page cannot be served for twenty minutes", {**BUSY, FAILING_GAPS: "0x30 1x20 0x200"}, silent_until="3h"
    ),
)

FIRING = (
    Scenario(
        "one of two connectors is gone",
        ends_at(60, BUSY),
        {"60m": (), "75m": ("CyberArkConnectorDown",), "5h": ("CyberArkConnectorDown",)},
    ),
    Scenario(
        "one of two connectors is no longer a target",
        {**ends_at(60, BUSY), "up": "1x60 stale"},
        {"60m": (), "75m": ("CyberArkConnectorDown",), "5h": ("CyberArkConnectorDown",)},
    ),
    Scenario("a connector has never answered", {"up": "0x100"}, {"15m": ("CyberArkConnectorDown",)}, job="cyberark"),
    Scenario(
        "a connector of a job with another name is up for one minute in five, and is never scraped",
        {"up": "1x30 " + "1 0 0 0 0 " * 20, START: "-86400x30 stale"},
        {"30m": (), "60m": ("CyberArkConnectorDown",), "100m": ("CyberArkConnectorDown",)},
    ),
    Scenario(
        "a process runs for one minute in four",
        crash_loop(1, 3),
        {"30m": (), "60m": ("CyberArkConnectorDown", "CyberArkCrashLoop")},
    ),
    Scenario("no connector is scraped", {}, {"5m": (), "15m": ("CyberArkNoConnector",)}, b={}),
    Scenario(
        "a process runs for two minutes in five: nothing that lasts is hidden by it",
        crash_loop(2, 3, {LAG: "2000 0", FAILING_GAPS: "1 0", HELD: "1 1", DEAD_LETTERS: "1 0"}),
        {
            "30m": (),
            "44m": ("CyberArkConnectorDown", "CyberArkCrashLoop", "CyberArkDeadLetter"),
            "2h": (
                "CyberArkConnectorDown",
                "CyberArkCrashLoop",
                "CyberArkDeadLetter",
                "CyberArkFailingGap",
                "CyberArkHeldEvents",
                "CyberArkNotFresh",
            ),
        },
    ),
    Scenario(
        "a process runs for nineteen minutes in twenty", crash_loop(19, 1), {"30m": (), "3h": ("CyberArkCrashLoop",)}
    ),
    Scenario(
        "requests are answered and nothing new is read",
        {**BUSY, LAG: "4x30 60+60x300"},
        {"50m": (), "70m": ("CyberArkNotFresh",)},
    ),
    Scenario(
        "the password is wrong and tried every ten minutes",
        {
            **BUSY,
            **STOPPED,
            requests("token", "401"): "_x30 1x9 2x9 3x9 4x9 5x9 6x9 7x9 8x9 9x9",
            COLLECTION: "0x30 1x9 2x9 3x9 4x9 5x9 6x9 7x9 8x9 9x9",
            LAG: "4x30 60+60x300",
        },
        {
            "40m": (),
            "58m": ("CyberArkCollectionFailing",),
            "110m": ("CyberArkCollectionFailing", "CyberArkNotFresh"),
        },
    ),
    Scenario(
        "the intake accepts nothing",
        {**BUSY, **STOPPED, DELIVERY: "0x30 1+1x300", FORWARDED: "0+60x30 1800x300", LAG: "4x30 60+60x300"},
        {
            "40m": (),
            "58m": ("CyberArkDeliveryFailing",),
            "2h": ("CyberArkDeliveryFailing", "CyberArkNotFresh"),
        },
    ),
    Scenario(
        "the loop is stuck or the state cannot be read",
        {**BUSY, **STOPPED},
        {"60m": (), "75m": ("CyberArkNoRequests",)},
    ),
    Scenario(
        "a throttled connector is hours late",
        {**THROTTLED, LAG: "300+60x800"},
        {"60m": (), "80m": ("CyberArkThrottled",), "5h": ("CyberArkThrottled",)},
    ),
    Scenario(
        "a throttled connector has not looked for late events in six hours",
        {**THROTTLED, WATERMARK_LAG: "600+60x800"},
        {"359m": (), "7h": ("CyberArkThrottled",)},
    ),
    Scenario(
        "a throttled connector reads nothing of its backlog",
        {**THROTTLED, BACKLOG: "20000x800"},
        {"5h": (), "7h": ("CyberArkThrottled",)},
    ),
    Scenario(
        "the API goes down while it throttles",
        {**THROTTLED, LAG: "300+60x800", requests("results", "503"): "0+9x800"},
        {"80m": ("CyberArkNotFresh",)},
    ),
    Scenario(
        "a backlog of five days shrinks too slowly",
        {**BUSY, BACKLOG: "172800-60x300", GAP_AGE: "450000+60x300"},
        {"20m": (), "2h": ("CyberArkDataLossNear",)},
    ),
    Scenario(
        "a throttled connector has collected nothing for five days",
        {**THROTTLED, LAG: "430000+60x300"},
        {"25m": ("CyberArkThrottled",), "2h": ("CyberArkDataLossNear", "CyberArkThrottled")},
    ),
    Scenario(
        "retention overtakes a gap",
        {**BUSY, LOST: "0x60 600x300"},
        {"60m": (), "62m": ("CyberArkEventTimeLost",), "119m": ("CyberArkEventTimeLost",), "3h": ()},
    ),
    Scenario(
        "a connector that was off for eight days starts",
        {START: "_x60 3600x200", LOST: "_x60 86400x200"},
        {"59m": (), "62m": ("CyberArkEventTimeLost",), "150m": ()},
    ),
    Scenario(
        "a backlog does not shrink",
        {**BUSY, BACKLOG: "0x30 7200x300"},
        {"100m": (), "150m": ("CyberArkBacklogNotShrinking",), "5h": ("CyberArkBacklogNotShrinking",)},
    ),
    Scenario(
        "a backlog grows",
        {**BUSY, BACKLOG: "0x30 7200+30x300"},
        {"100m": (), "150m": ("CyberArkBacklogNotShrinking",), "5h": ("CyberArkBacklogNotShrinking",)},
    ),
    Scenario(
        "a page of one second cannot be served",
        {**BUSY, FAILING_GAPS: "0x30 1x300", BACKLOG: "0x30 1x300", GAP_AGE: "0x30 0+60x300"},
        {"55m": (), "65m": ("CyberArkFailingGap",)},
    ),
    Scenario(
        "late events are not looked for",
        {**BUSY, WATERMARK_LAG: "360x30 360+60x300"},
        {"110m": (), "130m": ("CyberArkLookbackOverdue",)},
    ),
    Scenario(
        "an event arrives later than the overlap",
        {**BUSY, LATE_BEYOND_OVERLAP: "0x30 1x800"},
        {"30m": (), "32m": ("CyberArkLateBeyondOverlap",), "5h": ("CyberArkLateBeyondOverlap",)},
    ),
    Scenario(
        "the keys reach back less far than the overlap",
        {**BUSY, EFFECTIVE_OVERLAP: "300x30 120x300"},
        {"60m": (), "90m": ("CyberArkOverlapReduced",)},
    ),
    Scenario(
        "keys are evicted that were needed",
        {**BUSY, EVICTED: "0x30 5000x300"},
        {"30m": (), "32m": ("CyberArkSeenKeysEvicted",)},
    ),
    Scenario(
        "the connector finds late events within a short time only",
        {**BUSY, REACH: "86400x30 4800x300"},
        {"90m": (), "160m": ("CyberArkReconciliationShort",)},
    ),
    Scenario(
        "an event is in the dead-letter file",
        {**BUSY, DEAD_LETTERS: "0x30 1x300"},
        {"30m": (), "32m": ("CyberArkDeadLetter",), "4h": ("CyberArkDeadLetter",)},
    ),
    Scenario(
        "an event is held for more than an hour",
        {**BUSY, HELD: "0x30 1x300"},
        {"90m": (), "95m": ("CyberArkHeldEvents",)},
    ),
    Scenario(
        "an event is too large",
        {**BUSY, TOO_LARGE: "0x30 1x300"},
        {"30m": (), "32m": ("CyberArkTooLargeEvent",)},
    ),
    Scenario(
        "an event has no uuid",
        {**BUSY, MALFORMED: "0x30 1x300"},
        {"30m": (), "32m": ("CyberArkMalformedEvents",)},
    ),
    Scenario(
        "the state cannot be written",
        {**BUSY, WRITE_ERROR: "0x30 1+1x300", WRITTEN: "0+1x30 31x300"},
        {"40m": (), "60m": ("CyberArkStateUnwritable",)},
    ),
)
