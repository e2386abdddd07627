"""The profile as a person runs it: progress, then the table and the JSON."""

import time
from concurrent.futures import ThreadPoolExecutor

from cyberark_modules.clock import Clock
from cyberark_modules.diagnosis import diagnose
from cyberark_modules.errors import CyberArkError
from sandbox.check.chain import Chain
from sandbox.check.minute import MINUTE_S, Minute
from sandbox.check.profile.findings import find
from sandbox.check.profile.line import Line
from sandbox.check.profile.plan import Plan
from sandbox.check.profile.report import as_json, lines
from sandbox.check.screen import Screen
from sandbox.check.values import Values


def profile(values: Values, chain: Chain, minute: Minute, version: str, seconds: float, screen: Screen) -> int:
    """Return 0; 1 when the tenant lets nobody in, 130 when it was interrupted. What was seen is shown all the same."""
    clock, connector = Clock(), values.connector
    own_s = minute.own_s()
    if own_s is not None:
        with screen.working(f"waiting for {MINUTE_S - own_s:.0f} s: the last check used the query of this minute"):
            time.sleep(MINUTE_S - own_s)
    status = 0
    with ThreadPoolExecutor(2) as executor, screen.progress() as show:
        base_url, key = connector.api_base_url, connector.api_key
        line = Line(chain.transport, chain.tokens, base_url, key, clock, executor)
        plan = Plan(line, clock, chain.tenant_clock, seconds, show)
        try:
            plan.run()
        except CyberArkError as error:
            status = 1
            screen.say(diagnose(error.failure).text(error.failure), "red")
        except KeyboardInterrupt:
            status = 130
            screen.say("\nInterrupted. This is what was seen so far.")
        plan.finish()
    if any(query.opened_s is not None for query in plan.record.queries.values()):
        minute.note()
    findings = find(plan.record)
    screen.say("")
    for text in lines(findings):
        screen.say(text)
    screen.say("\nThe same as JSON. It contains numbers and phrases of this program, and no data of the tenant:\n")
    screen.raw(as_json(findings, plan.record, version))
    return status
