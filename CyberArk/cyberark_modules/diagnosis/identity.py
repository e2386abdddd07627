"""What can be wrong with the Identity address, the web app, the service user, and the token they lead to."""

from collections.abc import Collection

from ..client.transport import NO_SUCH_CALL
from ..errors import Evidence, Service, Sign
from .row import IDENTITY_ADDRESS, REFUSALS, Diagnosis, Fits, MendedBy, Place, both, either, lacks, seen

APPLICATION_ID = "Application ID"
LOGIN_NAME = "Login name of the service user"
PASSWORD = "Password of the service user"  # noqa: S105


def _has_audit_host(evidence: Evidence) -> bool:
    return ".audit." in evidence.host


def _is_oauth2(evidence: Evidence) -> bool:
    return evidence.error not in ("", *NO_SUCH_CALL)


def _names_application(evidence: Evidence) -> bool:
    return "unknown app" in evidence.description.lower()


def _at(*signs: Sign, statuses: Collection[int] = (), errors: Collection[str] = ()) -> Fits:
    return seen(*signs, service=Service.IDENTITY, statuses=statuses, errors=errors)


# As CyberArk Identity answers a client that it does not let in (error codes of RFC 6749, 5.2).
_NOT_LET_IN = either(_at(statuses={401}), _at(Sign.STATUS, errors=("access_denied", "invalid_client")))

IDENTITY = (
    Diagnosis(
        name="no-password",
        seen="no password in the configuration",
        wrong="The password of the service user is missing.",
        remedy="Type the password that was given to the service user.",
        place=Place((PASSWORD,), (23,)),
        fits=seen(Sign.NO_PASSWORD),
    ),
    Diagnosis(
        name="identity-is-audit-address",
        seen="a host name with `.audit.` in it",
        wrong="The address of CyberArk Audit stands in the place of the CyberArk Identity address.",
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
        wrong="The host of the CyberArk Identity address cannot be found (DNS).",
        remedy=(
            "Correct the address, which looks like https://abc1234.id.cyberark.cloud. If a browser opens it, "
            "name resolution is out of order where the connector runs."
        ),
        place=IDENTITY_ADDRESS,
        mended_by=MendedBy.PERHAPS_PERSON,
        fits=_at(Sign.NAME),
    ),
    Diagnosis(
        name="identity-redirect",
        seen="a redirection",
        wrong="The CyberArk Identity address leads on to another address, where no credential is sent.",
        remedy=(
            "Open the address in a browser, sign in, and give what its address bar then shows, up to the first slash "
            "after the host name."
        ),
        place=IDENTITY_ADDRESS,
        mended_by=MendedBy.PERHAPS_PERSON,
        fits=_at(Sign.REDIRECT),
    ),
    Diagnosis(
        name="application-unknown",
        seen="HTTP 400 `invalid_request`, `unknown app`",
        wrong="CyberArk Identity knows no web app of this Application ID.",
        remedy="Copy the Application ID from the web app. Capitals count, and it is not the name of the app.",
        place=Place((APPLICATION_ID,), (11,)),
        fits=both(_at(Sign.STATUS, errors=("invalid_request",)), _names_application),
    ),
    Diagnosis(
        name="client-credentials-off",
        seen="HTTP 400 `invalid_grant`, `invalid grant type`",
        wrong="The web app does not let clients in by their credentials.",
        remedy="In the section Token of the web app, tick Client creds, untick the other methods, and save.",
        place=Place(steps=(16,)),
        fits=_at(Sign.STATUS, errors=("invalid_grant", "unsupported_grant_type", "unauthorized_client")),
    ),
    Diagnosis(
        name="scope-undeclared",
        seen="HTTP 400 `invalid_scope`",
        wrong="The web app does not declare the scope isp.audit.events:read.",
        remedy="In the section Scope of the web app, add isp.audit.events:read, written exactly so, and save.",
        place=Place(steps=(13,)),
        fits=_at(Sign.STATUS, errors=("invalid_scope",)),
    ),
    Diagnosis(
        name="permission-missing",
        seen="HTTP 403 `access_denied`",
        wrong="The service user has no permission on the web app.",
        remedy=(
            "In the section Permissions of the web app, add the service user, tick Grant, View, Manage and Delete "
            "for it, and save."
        ),
        place=Place(steps=(30, 31, 32, 33, 34, 35)),
        fits=both(_at(Sign.STATUS, statuses={403}), _is_oauth2),
    ),
    Diagnosis(
        name="login-name-suffix",
        seen="HTTP 400 or 401, for a login name without @",
        wrong="CyberArk Identity refuses the login name, which lacks its suffix.",
        remedy="Give the whole login name with @ and what follows, such as siem-svc@cyberark.cloud.1234.",
        place=Place((LOGIN_NAME,), (23,)),
        fits=both(_NOT_LET_IN, lacks("suffix")),
    ),
    Diagnosis(
        name="credentials-refused",
        seen="HTTP 401, or HTTP 400 `access_denied` or `invalid_client`",
        wrong=(
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
        wrong="What answers at the CyberArk Identity address is not the token service of CyberArk Identity.",
        remedy=(
            "Give the address of Identity Administration, such as https://abc1234.id.cyberark.cloud: neither that of "
            "the portal, nor that of another CyberArk service."
        ),
        place=IDENTITY_ADDRESS,
        mended_by=MendedBy.PERHAPS_PERSON,
        fits=either(
            _at(Sign.NOT_JSON), both(_at(Sign.STATUS, statuses=REFUSALS), lambda evidence: not _is_oauth2(evidence))
        ),
    ),
    Diagnosis(
        name="identity-refusal",
        seen="any other HTTP 4xx",
        wrong="CyberArk Identity gives no token, for a reason that this connector does not know.",
        remedy="Compare the web app and the service user with the guide, and see what the answer says.",
        place=Place(steps=tuple(range(11, 36))),
        fits=_at(Sign.STATUS, statuses=REFUSALS),
    ),
)

TOKEN = (
    Diagnosis(
        name="token-opaque",
        seen="a token that is no JWT",
        wrong="The token of CyberArk Identity is opaque, because the token type of the web app is not jwtRS256.",
        remedy="In the section Token of the web app, select jwtRS256 as the token type, and save.",
        place=Place(steps=(15,)),
        fits=lacks("jwt"),
    ),
    Diagnosis(
        name="token-scope",
        seen="a token without the scope `isp.audit.events:read`",
        wrong="The token of CyberArk Identity does not hold the scope isp.audit.events:read.",
        remedy="In the section Scope of the web app, add isp.audit.events:read, written exactly so, and save.",
        place=Place(steps=(13,)),
        fits=lacks("scope"),
    ),
    Diagnosis(
        name="token-script",
        seen="a token with neither of the claims `tenant_id` and `aud`",
        wrong="The token of CyberArk Identity holds neither tenant_id nor aud, because the web app lacks its script.",
        remedy="In the section Advanced of the web app, paste both lines of the script, and save.",
        place=Place(steps=(18,)),
        fits=lacks("tenant_id", "aud"),
    ),
    Diagnosis(
        name="token-tenant-id",
        seen="a token without the claim `tenant_id`",
        wrong="The token of CyberArk Identity does not hold tenant_id.",
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
        wrong="The token of CyberArk Identity is not made out to cyberark.isp.audit (its aud).",
        remedy=(
            "In the section Advanced of the web app, paste the script again, the line that sets aud included, "
            "and save."
        ),
        place=Place(steps=(18,)),
        fits=lacks("aud"),
    ),
)
