"""The mistakes of a set-up, by name: what an administrator gets wrong, played by the sandbox."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sandbox.faults.fault import Fault
from sandbox.http import Request, Response, html_response
from sandbox.server.server import Sandbox, free_port


@dataclass(frozen=True)
class Mistake:
    """What the person typed (fields of the forms) and what else differs around them.

    `variables` are environment variables of whoever is about to connect; a value of "" takes one away.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)


Make: TypeAlias = Callable[[Sandbox], Mistake]


@dataclass(frozen=True)
class MistakeType:
    """A mistake by its name; `make` puts the sandbox in that state and says what to connect with."""

    name: str
    summary: str
    make: Make


def _typed(**fields: Any) -> Make:
    return lambda sandbox: Mistake(fields)


def _identity(**settings: Any) -> Make:
    def make(sandbox: Sandbox) -> Mistake:
        for name, value in settings.items():
            setattr(sandbox.tenant.identity_settings, name, value)
        return Mistake()

    return make


def _password(sandbox: Sandbox) -> Mistake:
    """Secrets travel apart from the form, so the platform holds the wrong one too."""
    sandbox.sekoia.password = "not the password"
    return Mistake({"password": "not the password"})


def _without_claim(name: str) -> Make:
    def make(sandbox: Sandbox) -> Mistake:
        sandbox.tenant.identity_settings.claims.discard(name)
        return Mistake()

    return make


def _html_identity(sandbox: Sandbox) -> Mistake:
    sandbox.faults.hold(Answered("token", html_response("CyberArk Identity - Sign in", 200)))
    return Mistake()


def _moved(sandbox: Sandbox) -> Mistake:
    elsewhere = Response(302, {"Location": f"{sandbox.platform_url}/stolen"})
    for endpoint in ("token", "query", "results"):
        sandbox.faults.hold(Answered(endpoint, elsewhere))
    return Mistake()


def _clock(sandbox: Sandbox) -> Mistake:
    sandbox.clock.offset += 11 * 60
    return Mistake()


def _minute_used(sandbox: Sandbox) -> Mistake:
    sandbox.faults.add("minute-used")
    return Mistake()


def _unreachable(sandbox: Sandbox) -> str:
    return f"https://localhost:{free_port()}"


class Answered(Fault):
    """An endpoint that always gives the same answer."""

    def __init__(self, endpoint: str, response: Response) -> None:
        self._endpoint = endpoint
        self._response = response

    def before(self, endpoint: str, request: Request) -> Response | None:
        return self._response if endpoint == self._endpoint else None


_TYPES = (
    MistakeType(
        "identity-name", "the host of the Identity URL does not exist", _typed(auth_base_url="https://nowhere.invalid")
    ),
    MistakeType(
        "identity-audit",
        "the Identity URL is the address of the Audit API",
        lambda s: Mistake({"auth_base_url": s.audit_url}),
    ),
    MistakeType(
        "identity-other",
        "the Identity URL leads to another web site",
        lambda s: Mistake({"auth_base_url": s.intake_url}),
    ),
    MistakeType(
        "identity-closed", "nothing listens at the Identity URL", lambda s: Mistake({"auth_base_url": _unreachable(s)})
    ),
    MistakeType("identity-html", "the Identity URL answers HTML instead of a token", _html_identity),
    MistakeType(
        "application-id", "the Application ID differs from the web app's", _typed(application_id="Sekoia-SIEM")
    ),
    MistakeType("client-credentials", "Client creds is not checked", _identity(client_credentials_ticked=False)),
    MistakeType("scope", "the scope is not declared in the web app", _identity(scope_declared=False)),
    MistakeType("login-suffix", "the login name lacks its suffix", _typed(login_name="siem-svc")),
    MistakeType("login-name", "no user has the login name", _typed(login_name="siem@cyberark.cloud.1234")),
    MistakeType("password", "the password of the service user (the client secret) is wrong", _password),
    MistakeType(
        "confidential-client", "the user is not an OAuth confidential client", _identity(confidential_client=False)
    ),
    MistakeType("permission", "the user may not use the web app", _identity(permission=False)),
    MistakeType("token-type", "the token type is not jwtRS256", _identity(token_type="opaque")),
    MistakeType("claim-tenant-id", "the claim tenant_id is not set", _without_claim("tenant_id")),
    MistakeType("claim-aud", "the claim aud is not set", _without_claim("aud")),
    MistakeType("claim-scope", "the token does not contain the scope", _without_claim("scope")),
    MistakeType(
        "audit-name", "the host of the Audit URL does not exist", _typed(api_base_url="https://nowhere.invalid")
    ),
    MistakeType(
        "audit-identity",
        "the Audit URL is the address of Identity",
        lambda s: Mistake({"api_base_url": s.identity_url}),
    ),
    MistakeType(
        "audit-closed", "nothing listens at the Audit URL", lambda s: Mistake({"api_base_url": _unreachable(s)})
    ),
    MistakeType("api-key", "the API key is wrong or belongs to another tenant", _typed(api_key="another-key")),
    MistakeType(
        "certificate", "the certificates are not trusted", lambda s: Mistake(variables={"REQUESTS_CA_BUNDLE": ""})
    ),
    MistakeType(
        "proxy",
        "the proxy does not answer",
        lambda s: Mistake(variables={"HTTPS_PROXY": f"http://127.0.0.1:{free_port()}"}),
    ),
    MistakeType("minute-used", "another integration uses the one query a minute", _minute_used),
    MistakeType("clock", "the machine's clock is wrong by minutes", _clock),
    MistakeType("redirect", "the services redirect to another host", _moved),
    MistakeType("intake-key", "the intake key is wrong", _typed(intake_key="another-intake")),
    MistakeType(
        "intake-server", "nothing listens at the intake server", lambda s: Mistake({"intake_server": _unreachable(s)})
    ),
)

MISTAKES: dict[str, MistakeType] = {mistake.name: mistake for mistake in _TYPES}
