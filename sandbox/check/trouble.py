"""Mistakes by name, continued: what stands between the connector and the services, and odd answers of these."""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.check.mistakes import Answered, Make, Mistake, MistakeType
from sandbox.environment import Service
from sandbox.http import Response, json_response
from sandbox.server.impostor import Authority, Handle, listen, refusing_proxy, silent, without_tls
from sandbox.server.server import Sandbox

_BAD = {"message": "Bad Request"}


def _answered(endpoint: str, status: int, content: object, headers: Mapping[str, str] | None = None) -> Make:
    def make(sandbox: Sandbox) -> Mistake:
        sandbox.faults.hold(Answered(endpoint, json_response(content, status, headers)))
        return Mistake()

    return make


def _moved(endpoint: str) -> Make:
    def make(sandbox: Sandbox) -> Mistake:
        elsewhere = Response(302, {"Location": f"{sandbox.platform_url}/elsewhere"})
        sandbox.faults.hold(Answered(endpoint, elsewhere))
        return Mistake()

    return make


def _identity_at(handle: Handle) -> Make:
    return lambda sandbox: Mistake({"auth_base_url": f"https://{listen(handle)}"})


def _behind(make_proxy: Callable[[], Handle]) -> Make:
    """What is CyberArk's goes through that proxy; what is Sekoia's does not."""

    def make(sandbox: Sandbox) -> Mistake:
        direct = ",".join(url.removeprefix("https://") for url in (sandbox.platform_url, sandbox.intake_url))
        return Mistake(variables={"HTTPS_PROXY": f"http://{listen(make_proxy())}", "NO_PROXY": direct})

    return make


def _certificate(**differing: Any) -> Make:
    def make(sandbox: Sandbox) -> Mistake:
        authority = Authority()
        address = listen(authority.host(**differing))
        bundle = str(authority.bundle(sandbox))
        return Mistake({"auth_base_url": f"https://{address}"}, {"REQUESTS_CA_BUNDLE": bundle})

    return make


def _without_script(sandbox: Sandbox) -> Mistake:
    sandbox.tenant.identity_settings.claims -= {"aud", "tenant_id"}
    return Mistake()


def _no_password(sandbox: Sandbox) -> Mistake:
    sandbox.sekoia.password = ""
    return Mistake({"password": ""})


def _typed(**fields: Any) -> Make:
    return lambda sandbox: Mistake(fields)


def _at(field: str, service: Service) -> Make:
    """A field holds the address of another service."""
    return lambda sandbox: Mistake({field: sandbox.urls[service]})


def _down(sandbox: Sandbox) -> Mistake:
    sandbox.faults.add("token-down", 60)
    return Mistake()


_TYPES = (
    MistakeType(
        "identity-audit-name",
        "the Identity URL has the host name of an Audit URL",
        _typed(auth_base_url="https://abc1234.audit.invalid"),
    ),
    MistakeType(
        "audit-identity-name",
        "the Audit URL has the host name of an Identity URL",
        _typed(api_base_url="https://abc1234.id.invalid"),
    ),
    MistakeType("identity-moved", "the Identity URL redirects to another host", _moved("token")),
    MistakeType("audit-moved", "the Audit URL redirects to another host", _moved("query")),
    MistakeType("audit-other", "the Audit URL leads to another web site", _at("api_base_url", "intake")),
    MistakeType(
        "audit-gateway",
        "the Audit URL leads to another API",
        _answered("query", 403, {"message": "Invalid key=value pair (missing equal-sign) in Authorization header"}),
    ),
    MistakeType("claims-script", "the script of the web app is missing", _without_script),
    MistakeType("no-password", "no password is given", _no_password),
    MistakeType("other-tenant", "the Audit URL belongs to another tenant", _answered("query", 401, {})),
    MistakeType("filter", "the tenant refuses the filters of the query", _answered("query", 400, _BAD)),
    MistakeType("cursor", "the cursor is refused", _answered("results", 400, _BAD)),
    MistakeType("rate", "pages are requested too often", _answered("results", 429, {}, {"Retry-After": "1"})),
    MistakeType(
        "identity-refusal",
        "Identity refuses for an unknown reason",
        _answered("token", 400, {"error": "odd"}),
    ),
    MistakeType("audit-refusal", "Audit refuses for an unknown reason", _answered("query", 422, {})),
    MistakeType("identity-down", "Identity is temporarily unavailable", _down),
    MistakeType("identity-busy", "Identity is rate limiting", _answered("token", 429, {})),
    MistakeType("identity-odd", "Identity answers without a token", _answered("token", 200, {"token": "none"})),
    MistakeType("identity-silent", "the Identity URL never answers", _identity_at(silent)),
    MistakeType("identity-http", "the Identity URL does not speak TLS", _identity_at(without_tls)),
    MistakeType(
        "certificate-host", "the certificate is issued for another host", _certificate(name="elsewhere.example")
    ),
    MistakeType("certificate-date", "the certificate has expired", _certificate(expired=True)),
    MistakeType("tls-inspection", "a proxy inspects the TLS traffic", _behind(lambda: Authority().reading_proxy())),
    MistakeType("proxy-refusal", "the proxy requires a password", _behind(lambda: refusing_proxy)),
    MistakeType(
        "trust-store",
        "the file of trusted certificates is missing",
        lambda s: Mistake(variables={"REQUESTS_CA_BUNDLE": str(s.ca_file.with_name("absent.pem"))}),
    ),
    MistakeType(
        "intake-name", "the host of the intake server does not exist", _typed(intake_server="https://nowhere.invalid")
    ),
    MistakeType("intake-other", "the intake server is another web site", _at("intake_server", "identity")),
    MistakeType("intake-refusal", "the intake refuses for an unknown reason", _answered("intake", 422, {})),
)

TROUBLES: dict[str, MistakeType] = {trouble.name: trouble for trouble in _TYPES}
