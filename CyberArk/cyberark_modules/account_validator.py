"""Checks an account when it is created: requests a token, reads it, and shows the person everything that is wrong."""

import time
from pathlib import Path
from urllib.parse import urlsplit

from sekoia_automation.account_validator import AccountValidator
from sekoia_automation.exceptions import ModuleConfigurationError
from sekoia_automation.module import Module

from .audit_api import build_tokens
from .audit_api.token import ENDPOINT, Token
from .audit_api.transport import Transport
from .clock import Clock, TenantClock
from .configuration import CyberArkModuleConfiguration
from .diagnosis import CLOCK_OFF_S, diagnose
from .errors import CyberArkError, Failure, FailureKind, Service, TransientError
from .platform.background import within
from .platform.secrets import mask
from .platform.start import field_faults

_CLAIMS = (("jwt",), ("scope",), ("tenant_id", "aud"))


class CyberArkAccountValidator(AccountValidator):
    """Fails with the diagnosis of what is wrong. A person waits for it, so it takes well under 20 seconds."""

    # The platform's own answers count, but CyberArk Identity is always given time for one.
    WITHIN_S = 12.0
    AT_LEAST_S = 5.0
    TIMEOUTS_S = (5.0, 8.0)

    def __init__(self, module: Module | None = None, data_path: Path | None = None) -> None:
        super().__init__(module, data_path)
        self._started = time.monotonic()

    def set_task_as_running(self) -> None:
        """Tell the platform, which answers with the password; a configuration at fault is left to `validate`."""
        try:
            super().set_task_as_running()  # type: ignore[no-untyped-call]
        except Exception as error:  # the person can still be shown what is wrong with the account
            self.log(f"The platform's answer could not be used ({type(error).__name__})", level="warning")

    def validate(self) -> bool:
        """Return whether CyberArk Identity issues a token that the Audit API can use. Raises nothing."""
        try:
            problems = self._problems()
        except Exception as error:  # a defect of ours must not leave the person without an answer
            problems = [f"The account could not be checked because of an unexpected {type(error).__name__}."]
        if problems:
            text = " ".join(problems)
            self.log(text, level="info")
            self.error(text)
        return not problems

    def _problems(self) -> list[str]:
        """Return everything that is wrong, as far as it can be seen at once."""
        try:
            account = self.module.configuration
        except ModuleConfigurationError:
            return self._configuration_problems()
        assert isinstance(account, CyberArkModuleConfiguration)  # noqa: S101
        mask(account.password)
        tenant_clock = TenantClock(Clock())
        try:
            token = self._fetch_token(account, tenant_clock)
        except CyberArkError as error:
            return [diagnose(error.failure).text(error.failure)]
        host, missing = urlsplit(account.auth_base_url).netloc, token.missing()
        # Each group is corrected at a step of its own.
        lacks = [tuple(claim for claim in group if claim in missing) for group in _CLAIMS]
        failures = [
            Failure(Service.IDENTITY, FailureKind.TOKEN, host, ENDPOINT, missing=lack) for lack in lacks if lack
        ]
        if failures:
            return [diagnose(failure).text(failure) for failure in failures]
        skew = tenant_clock.skew()
        if abs(skew) >= CLOCK_OFF_S:
            # No mistake in the account, and harmless: the connector goes by the tenant's clock.
            failure = Failure(Service.IDENTITY, FailureKind.CLOCK, host, clock_skew=skew)
            self.log(diagnose(failure).text(failure), level="warning")
        self.log(f"CyberArk Identity issues tokens for tenant {token.tenant_id}", level="info")
        return []

    def _configuration_problems(self) -> list[str]:
        content = self.module.load_config(self.module.MODULE_CONFIGURATION_FILE_NAME, "json")
        faults = [f"Field {fault}" for fault in field_faults(CyberArkModuleConfiguration, content)]
        return faults or ["The account is not complete."]

    def _fetch_token(self, account: CyberArkModuleConfiguration, tenant_clock: TenantClock) -> Token:
        """Fetch a token, and give up in time whatever the host does. Raises CyberArkError."""
        transport = Transport(tenant_clock, str(self.module.manifest.get("version", "")))
        transport.timeouts = self.TIMEOUTS_S
        tokens = build_tokens(transport, account, time.monotonic)
        remaining = self._started + self.WITHIN_S - time.monotonic()
        late = TransientError(
            Failure(Service.IDENTITY, FailureKind.TIMEOUT, urlsplit(account.auth_base_url).netloc, ENDPOINT)
        )
        return within(max(self.AT_LEAST_S, remaining), tokens.token, late)
