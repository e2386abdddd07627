"""Checks an account when it is created: requests a token, reads it, and shows the person everything that is wrong."""

from typing import cast
from urllib.parse import urlsplit

from sekoia_automation.account_validator import AccountValidator

from .audit_api.token import ENDPOINT, TokenSource
from .configuration import CyberArkModuleConfiguration
from .configuration.fields import field_faults
from .diagnosis import diagnose
from .errors import CyberArkError, Failure, FailureKind, Service
from .http import Http
from .masking import mask

WITHIN_S = 12.0  # a person waits


class CyberArkAccountValidator(AccountValidator):
    """Fails with the diagnosis of what is wrong; of a token only that it is no JWT: the Audit API is its judge."""

    def set_task_as_running(self) -> None:
        """Tell the platform, which answers with the password; a configuration at fault is left to `validate`."""
        try:
            super().set_task_as_running()  # type: ignore[no-untyped-call]
        except Exception as error:  # the person can still be shown what is wrong with the account
            self.log(f"The platform's answer could not be used ({type(error).__name__})", level="warning")

    def validate(self) -> bool:
        """Return whether CyberArk Identity issues a token to this account. Raises nothing."""
        try:
            problem = self._problem()
        except Exception as error:  # a defect of ours must not leave the person without an answer
            problem = f"The account could not be checked because of an unexpected {type(error).__name__}."
        if problem:
            self.error(problem)
        return not problem

    def _problem(self) -> str:
        """Return everything that is wrong, as far as it can be seen at once; "" when nothing is."""
        content = self.module.load_config(self.module.MODULE_CONFIGURATION_FILE_NAME, "json")
        if faults := [f"Field {fault}" for fault in field_faults(CyberArkModuleConfiguration, content)]:
            return " ".join(faults)
        account = cast(CyberArkModuleConfiguration, self.module.configuration)
        mask(account.password, account.credentials)
        if account.corrections:  # the connector accepts them, for accounts of the published 1.0.0
            return " ".join(account.corrections)
        http = Http(str(self.module.manifest.get("version", "")))
        try:
            token = TokenSource(http, account, WITHIN_S).token()
        except CyberArkError as error:
            return diagnose(error.failure).text(error.failure)
        if token.claims is None:
            host = urlsplit(account.auth_base_url).netloc
            failure = Failure(Service.IDENTITY, FailureKind.SHAPE, host, ENDPOINT, missing=token.missing())
            return diagnose(failure).text(failure)
        self.log(f"CyberArk Identity issues tokens for tenant {token.tenant_id or 'unknown'}", level="info")
        return ""
