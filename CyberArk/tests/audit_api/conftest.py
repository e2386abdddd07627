"""The client as the connector builds it, against a tenant on loopback."""

import time
from collections.abc import Iterator

import pytest

from cyberark_modules.audit_api import AuditApi
from cyberark_modules.clock import Clock
from cyberark_modules.configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from cyberark_modules.http import Http
from fakes.http_server import FakeTenant

PASSWORD = "s3cret-pässword: 5€"
API_KEY = "s3cret-api-key"


class MovableClock(Clock):
    """This machine's clock, `ahead` (s) of the time when it was made."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class Client:
    def __init__(self, tenant: FakeTenant, **changed: str) -> None:
        self.clock = MovableClock()
        self.observed: list[tuple[str, str]] = []
        self.http = Http(
            "1.2.3",
            lambda endpoint, outcome, _: self.observed.append((endpoint, outcome)),
            self.clock,
        )
        account = {
            "auth_base_url": tenant.url,
            "application_id": "R&D 50%",
            "login_name": "siem-svc@cyberark.cloud.1",
            "password": PASSWORD,
        }
        self.api = AuditApi(
            self.http,
            CyberArkModuleConfiguration.model_validate({**account, **changed}),
            CyberArkAuditLogsConfiguration(api_base_url=tenant.url, api_key=API_KEY, intake_key="key"),
        )

    def open(self) -> str:
        return self.api.open_query(1_000, None, 500, {})

    def call(self, endpoint: str) -> object:
        """Make the call that reaches that endpoint."""
        return self.api.fetch("c0") if endpoint == "results" else self.open()


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine's time zone is not UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def client(tenant: FakeTenant) -> Client:
    return Client(tenant)
