"""What can be wrong with the Identity address, the web app, the service user, and the token they lead to."""

from collections.abc import Collection

from ..audit_api.transport import UNKNOWN_CALL
from ..errors import Failure, FailureKind, Service
from .row import IDENTITY_ADDRESS, REFUSALS, Diagnosis, Fits, Place, ResolvedBy, both, either, lacks, seen

APPLICATION_ID = "Application ID"
LOGIN_NAME = "Login name of the service user"
PASSWORD = "Password of the service user"  # noqa: S105


def _has_audit_host(failure: Failure) -> bool:
    return ".audit." in failure.host


def _is_oauth2(failure: Failure) -> bool:
    return failure.error not in ("", *UNKNOWN_CALL)


def _names_application(failure: Failure) -> bool:
    return "unknown app" in failure.description.lower()


def _at(*kinds: FailureKind, statuses: Collection[int] = (), errors: Collection[str] = ()) -> Fits:
    return seen(*kinds, service=Service.IDENTITY, statuses=statuses, errors=errors)


# As CyberArk Identity answers a client that it does not let in (error codes of RFC 6749, 5.2).
_NOT_LET_IN = either(_at(statuses={401}), _at(FailureKind.STATUS, errors=("access_denied", "invalid_client")))

IDENTITY = (
    Diagnosis(
        name="no-password",
        seen="no password in the configuration",
        problem="The password of the service user is missing.",
        remedy="Type the password that was given to the service user.",
        place=Place((PASSWORD,), (23,)),
        fits=seen(FailureKind.NO_PASSWORD),
    ),
    Diagnosis(
        name="identity-is-audit-address",
        seen="a host name with `.audit.` in it",
        problem="The address of CyberArk Audit stands in the place of the CyberArk Identity address.",
        remedy=(
            "Give the address of Identity Administration, such as https://abc1234.id.cyberark.cloud. "
            "The other one belongs in the form of the connector."
        ),
        place=IDENTITY_ADDRESS,
        fits=both(_at(), _has_audit_host),
    ),
    Diagnosis(
        name="identity-name",
        seen="a host name that cannot be resolved",
        problem="The host of the CyberArk Identity address cannot be found (DNS).",
        remedy=(
            "Correct the address, which looks like https://abc1234.id.cyberark.cloud. If a browser opens it, "
            "name resolution is out of order where the connector runs."
        ),
        place=IDENTITY_ADDRESS,
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        fits=_at(FailureKind.NAME),
    ),
    Diagnosis(
        name="identity-redirect",
        seen="a redirection",
        problem="The CyberArk Identity address leads on to another address, where no credential is sent.",
        remedy=(
            "Open the address in a browser, sign in, and give what its address bar then shows, up to the first slash "
            "after the host name."
        ),
        place=IDENTITY_ADDRESS,
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        fits=_at(FailureKind.REDIRECT),
    ),
    Diagnosis(
        name="application-unknown",
        seen="HTTP 400 `invalid_request`, `unknown app`",
        problem="CyberArk Identity knows no web app of this Application ID.",
        remedy="Copy the Application ID from the web app. Capitals count, and it is not the name of the app.",
        place=Place((APPLICATION_ID,), (11,)),
        fits=both(_at(FailureKind.STATUS, errors=("invalid_request",)), _names_application),
    ),
    Diagnosis(
        name="client-credentials-off",
        seen="HTTP 400 `invalid_grant`, `invalid grant type`",
        problem="The web app does not let clients in by their credentials.",
        remedy="In the section Token of the web app, tick Client creds, untick the other methods, and save.",
        place=Place(steps=(16,)),
        fits=_at(FailureKind.STATUS, errors=("invalid_grant", "unsupported_grant_type", "unauthorized_client")),
    ),
    Diagnosis(
        name="scope-undeclared",
        seen="HTTP 400 `invalid_scope`",
        problem="The web app does not declare the scope isp.audit.events:read.",
        remedy="In the section Scope of the web app, add isp.audit.events:read, written exactly so, and save.",
        place=Place(steps=(13,)),
        fits=_at(FailureKind.STATUS, errors=("invalid_scope",)),
    ),
    Diagnosis(
        name="permission-missing",
        seen="HTTP 403 `access_denied`",
        problem="The service user has no permission on the web app.",
        remedy=(
            "In the section Permissions of the web app, add the service user, tick Grant, View, Manage and Delete "
            "for it, and save."
        ),
        place=Place(steps=(30, 31, 32, 33, 34, 35)),
        fits=both(_at(FailureKind.STATUS, statuses={403}), _is_oauth2),
    ),
    Diagnosis(
        name="login-name-suffix",
        seen="HTTP 400 or 401, for a login name without @",
        problem="CyberArk Identity refuses the login name, which lacks its suffix.",
        remedy="Give the whole login name with @ and what follows, such as siem-svc@cyberark.cloud.1234.",
        place=Place((LOGIN_NAME,), (23,)),
        fits=both(_NOT_LET_IN, lacks("suffix")),
    ),
    Diagnosis(
        name="credentials-refused",
        seen="HTTP 401, or HTTP 400 `access_denied` or `invalid_client`",
        problem=(
            "CyberArk Identity refuses the login name or the password, or the service user is no OAuth confidential "
            "client."
        ),
        remedy=(
            "Type both again, and see that Is service user and Is OAuth confidential client are ticked for the user. "
            "Attempts with a wrong password may have locked it."
        ),
        place=Place((LOGIN_NAME, PASSWORD), (22, 23)),
        fits=_NOT_LET_IN,
    ),
    Diagnosis(
        name="identity-address",
        seen="HTTP 404, or anything but the JSON of a token service",
        problem="What answers at the CyberArk Identity address is not the token service of CyberArk Identity.",
        remedy=(
            "Give the address of Identity Administration, such as https://abc1234.id.cyberark.cloud: neither that of "
            "the portal, nor that of another CyberArk service."
        ),
        place=IDENTITY_ADDRESS,
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        fits=either(
            _at(FailureKind.NOT_JSON),
            both(_at(FailureKind.STATUS, statuses=REFUSALS), lambda failure: not _is_oauth2(failure)),
        ),
    ),
    Diagnosis(
        name="identity-refusal",
        seen="any other HTTP 4xx",
        problem="CyberArk Identity gives no token, for a reason that this connector does not know.",
        remedy="Compare the web app and the service user with the guide, and see what the answer says.",
        place=Place(steps=tuple(range(11, 36))),
        fits=_at(FailureKind.STATUS, statuses=REFUSALS),
    ),
)

TOKEN = (
    Diagnosis(
        name="token-opaque",
        seen="a token that is no JWT",
        problem="The token of CyberArk Identity is opaque, because the token type of the web app is not jwtRS256.",
        remedy="In the section Token of the web app, select jwtRS256 as the token type, and save.",
        place=Place(steps=(15,)),
        fits=lacks("jwt"),
    ),
    Diagnosis(
        name="token-scope",
        seen="a token without the scope `isp.audit.events:read`",
        problem="The token of CyberArk Identity does not hold the scope isp.audit.events:read.",
        remedy="In the section Scope of the web app, add isp.audit.events:read, written exactly so, and save.",
        place=Place(steps=(13,)),
        fits=lacks("scope"),
    ),
    Diagnosis(
        name="token-script",
        seen="a token with neither of the claims `tenant_id` and `aud`",
        problem="The token of CyberArk Identity holds neither tenant_id nor aud, for want of the script.",
        remedy="In the section Advanced of the web app, paste both lines of the script, and save.",
        place=Place(steps=(18,)),
        fits=lacks("tenant_id", "aud"),
    ),
    Diagnosis(
        name="token-tenant-id",
        seen="a token without the claim `tenant_id`",
        problem="The token of CyberArk Identity does not hold tenant_id.",
        remedy=(
            "In the section Advanced of the web app, paste the script again, the line that sets tenant_id included, "
            "and save."
        ),
        place=Place(steps=(18,)),
        fits=lacks("tenant_id"),
    ),
    Diagnosis(
        name="token-aud",
        seen="a token whose claim `aud` is not `cyberark.isp.audit`",
        problem="The token of CyberArk Identity is not made out to cyberark.isp.audit (its aud).",
        remedy=(
            "In the section Advanced of the web app, paste the script again, the line that sets aud included, "
            "and save."
        ),
        place=Place(steps=(18,)),
        fits=lacks("aud"),
    ),
)
