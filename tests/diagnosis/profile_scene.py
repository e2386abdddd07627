"""A profile of a tenant of the sandbox, in virtual time."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import SecretStr

from cyberark_modules.audit_api import build_tokens
from cyberark_modules.audit_api.transport import Transport
from cyberark_modules.clock import TenantClock
from cyberark_modules.configuration import CyberArkModuleConfiguration
from sandbox.check.profile.findings import find
from sandbox.check.profile.line import Line
from sandbox.check.profile.plan import TEN_MINUTES_S, Plan
from sandbox.check.profile.record import Finding, Record
from sandbox.environment import Environment
from sandbox.readings import HOUR, Readings
from sandbox.simulation.network import Latency, Network
from sandbox.simulation.tasks import Tasks
from sandbox.simulation.timeline import Group, ProcessClock, Timeline
from sandbox.tenant.settings import IdentitySettings

START = 1_800_000_000.0
HOURS_BEFORE = 6.5
BEFORE_PER_SECOND = 0.1037
# Events that are close together tell an order from one that is a little wrong.
BUSY_PER_SECOND, BUSY_S = 2.03, 200.0
LIVE_PER_SECOND = 1.0
# An answer takes some time: otherwise no two pages would be in flight together.
PAGE_LATENCY_S = 0.3


@dataclass
class Profile:
    """What a profile has found, by row, and what the tenant was asked."""

    environment: Environment
    record: Record
    findings: dict[str, Finding]
    told: list[tuple[str, float]]

    def reading(self, row: str) -> str | None:
        return self.findings[row].reading


def profile(
    *names: str,
    seconds: float = TEN_MINUTES_S,
    live: float = LIVE_PER_SECOND,
    change: Callable[[Environment], None] = lambda _: None,
) -> Profile:
    """Profile a tenant with those readings that has events of some hours; `change` is made to it before."""
    timeline = Timeline(START)
    environment = Environment(timeline, 7)
    tenant, readings = environment.tenant, Readings(names)
    tenant.settings.page_latency = PAGE_LATENCY_S
    readings.set(environment)
    change(environment)
    for rate, until_s in ((BEFORE_PER_SECOND, HOUR), (BUSY_PER_SECOND, HOUR + BUSY_S)):
        tenant.produce(rate)
        timeline.run_to(START + until_s)
    tenant.produce(BEFORE_PER_SECOND)
    timeline.run_to(START + HOURS_BEFORE * HOUR)
    tenant.catch_up()
    tenant.produce(readings.events_per_second or live)
    readings.begin(environment)

    group = Group()
    clock = ProcessClock(timeline, lambda: 0.0)
    tenant_clock, told = TenantClock(clock), list[tuple[str, float]]()
    transport = Transport(tenant_clock, "0")
    transport.session.mount("https://", Network(timeline, environment, Latency(), lambda *_: None))
    tokens = build_tokens(transport, _account(tenant.identity_settings), clock.monotonic)
    key = SecretStr(tenant.settings.api_key)
    line = Line(transport, tokens, "https://audit.simulation", key, clock, Tasks(timeline, group))
    plan = Plan(line, clock, tenant_clock, seconds, lambda what, left_s: told.append((what, left_s)))
    done = Tasks(timeline, group).submit(plan.run)
    timeline.run_to(timeline.now + seconds + 300)
    timeline.end(group)
    timeline.close()
    done.result(0)
    return Profile(environment, plan.record, {finding.row: finding for finding in find(plan.record)}, told)


def _account(identity: IdentitySettings) -> CyberArkModuleConfiguration:
    return CyberArkModuleConfiguration(
        auth_base_url="https://identity.simulation",
        login_name=identity.login_name,
        password=identity.password,
        application_id=identity.application_id,
    )
