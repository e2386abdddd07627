"""The only package that knows CyberArk's HTTP: it returns values, or raises the errors of `errors.py`."""

from collections.abc import Callable

from ..clock import Clock
from ..configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from .client import AuditApi
from .token import TokenSource
from .transport import Transport


def build_tokens(
    transport: Transport, account: CyberArkModuleConfiguration, monotonic: Callable[[], float]
) -> TokenSource:
    """Return the tokens of that account. `monotonic` gives seconds."""
    return TokenSource(
        transport,
        account.auth_base_url,
        account.application_id,
        account.login_name,
        account.password,
        monotonic,
    )


def build_audit_api(
    account: CyberArkModuleConfiguration,
    configuration: CyberArkAuditLogsConfiguration,
    clock: Clock,
    transport: Transport,
) -> AuditApi:
    """Return the Audit API of that tenant."""
    tokens = build_tokens(transport, account, clock.monotonic)
    return AuditApi(transport, tokens, configuration.api_base_url, configuration.api_key)
