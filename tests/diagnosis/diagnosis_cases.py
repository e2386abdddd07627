"""Which mistake leads to which diagnosis, and which of the three places can see it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cyberark_modules.diagnosis import DIAGNOSES, Diagnosis
from sandbox.server.server import Sandbox

BY_NAME: dict[str, Diagnosis] = {row.name: row for rows in DIAGNOSES.values() for row in rows}

# Everywhere: the validator sees the account only, and neither it nor the connector can tell the platform anything
# once that cannot be reached either.
_ACCOUNT = {
    "identity-name": "identity-name",
    "identity-audit": "identity-address",
    "identity-audit-name": "identity-is-audit-address",
    "identity-other": "identity-address",
    "identity-html": "identity-address",
    "identity-closed": "no-connection",
    "identity-silent": "no-answer",
    "identity-http": "tls",
    "identity-moved": "identity-redirect",
    "redirect": "identity-redirect",
    "identity-refusal": "identity-refusal",
    "identity-odd": "not-understood",
    "identity-busy": "service-busy",
    "identity-down": "service-down",
    "application-id": "application-unknown",
    "client-credentials": "client-credentials-off",
    "scope": "scope-undeclared",
    "login-suffix": "login-name-suffix",
    "login-name": "credentials-refused",
    "password": "credentials-refused",
    "no-password": "no-password",
    "confidential-client": "credentials-refused",
    "permission": "permission-missing",
    "token-type": "token-opaque",
    "claim-scope": "token-scope",
    "claim-aud": "token-aud",
    "claim-tenant-id": "token-tenant-id",
    "claims-script": "token-script",
    "certificate-host": "certificate-host",
    "certificate-date": "certificate-date",
    "tls-inspection": "certificate-authority",
    "proxy-refusal": "proxy",
    "clock": "clock-off",
}
_CONNECTOR = {
    "audit-name": "audit-name",
    "audit-identity-name": "audit-is-identity-address",
    "audit-identity": "audit-address",
    "audit-other": "audit-address",
    "audit-gateway": "audit-address",
    "audit-closed": "no-connection",
    "audit-moved": "audit-redirect",
    "audit-refusal": "audit-refusal",
    "other-tenant": "audit-token-refused",
    "api-key": "audit-key",
    "filter": "query-refused",
    "minute-used": "query-limit",
    "rate": "audit-rate",
    "intake-key": "intake-key",
    "intake-name": "intake-name",
    "intake-other": "intake-address",
    "intake-server": "no-connection",
    "intake-refusal": "intake-refusal",
}
# The connector opens another query at once, and has nothing to complain of.
_SEEN_BY_CHECK_ONLY = {
    "cursor": "cursor-lost",
    "certificate": "certificate-authority",
    "proxy": "proxy",
    "trust-store": "trust-store",
}

ACCOUNT_MISTAKES = sorted(_ACCOUNT)
CONNECTOR_MISTAKES = sorted(_ACCOUNT | _CONNECTOR)


def some_now(names: Iterable[Any], *now: Any) -> list[Any]:
    """Each of these mistakes starts a process of its own: a few are made at every run, all of them in the long one."""
    return [name if name in now else pytest.param(name, marks=pytest.mark.long) for name in names]


EXPECTED = {name: BY_NAME[diagnosis] for name, diagnosis in (_ACCOUNT | _CONNECTOR | _SEEN_BY_CHECK_ONLY).items()}


@dataclass(frozen=True)
class Secrets:
    """Everything that must not be seen anywhere, as it was typed and as it travels."""

    values: frozenset[str]

    @classmethod
    def of(cls, sandbox: Sandbox) -> "Secrets":
        """What the sandbox knows, and what it was sent as a credential."""
        sent = {
            exchange.request.headers.get(name, "").rpartition(" ")[2]
            for exchange in sandbox.ledger.journal
            for name in ("authorization", "x-api-key")
        }
        known = {
            sandbox.tenant.identity_settings.password,
            sandbox.sekoia.password,
            sandbox.tenant.settings.api_key,
            sandbox.sekoia.settings.intake_key,
            sandbox.sekoia.settings.token,
        }
        return cls(frozenset((sent | known | set(sandbox.tenant.issued_tokens())) - {""}))

    def seen_in(self, texts: Iterable[str]) -> set[str]:
        everything = "\n".join(texts)
        return {value for value in self.values if value in everything}


def says(diagnosis: Diagnosis, text: str) -> bool:
    """Whether a text holds the sentence, the remedy and the place of a diagnosis, wherever lines are broken."""
    read = " ".join(text.split())
    place = str(diagnosis.place)
    problem = re.escape(diagnosis.problem).replace(r"\{service\}", ".+").replace(r"\{status\}", r"\d+")
    return (
        re.search(problem, read) is not None
        and diagnosis.remedy[1:] in read
        and (not place or f"{place[0].upper()}{place[1:]}" in read)
    )


def log_everything(directory: Path) -> dict[str, str]:
    """The environment variables that make a Python process log at debug level, whatever it configures itself."""
    directory.mkdir(exist_ok=True)
    (directory / "sitecustomize.py").write_text(
        "import logging, sys\n"
        "logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format='%(levelname)s %(name)s %(message)s')\n"
    )
    return {"PYTHONPATH": str(directory)}
