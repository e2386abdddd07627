"""What can be wrong with the Audit API: its address, its key, the token it is given, and how often it is called."""

from collections.abc import Collection

from ..client.audit_api import CREATE_QUERY, RESULTS
from ..client.transport import NO_SUCH_CALL
from ..errors import Evidence, Service, Sign
from .row import AUDIT_ADDRESS, IDENTITY_ADDRESS, REFUSALS, Diagnosis, Fits, MendedBy, Place, both, either, seen

KEY = "CyberArk Audit API key"
FREQUENCY = "Time between two queries (seconds)"
PAGE_SIZE = "Events per page"
FILTERS = ("Only these applications", "Only these audit types", "Only these actions")


def _has_identity_host(evidence: Evidence) -> bool:
    return ".id." in evidence.host or ".idaptive." in evidence.host


def _at(*signs: Sign, statuses: Collection[int] = (), endpoint: str = "", errors: Collection[str] = ()) -> Fits:
    return seen(*signs, service=Service.AUDIT, statuses=statuses, endpoint=endpoint, errors=errors)


AUDIT = (
    Diagnosis(
        name="audit-is-identity-address",
        seen="a host name with `.id.` in it",
        wrong="The address of CyberArk Identity stands in the place of the Audit API base URL.",
        remedy=(
            "Copy the API base URL from the page of the SIEM integration, such as "
            "https://abc1234.audit.cyberark.cloud. The other one belongs in the form of the account."
        ),
        place=AUDIT_ADDRESS,
        fits=both(_at(), _has_identity_host),
    ),
    Diagnosis(
        name="audit-name",
        seen="a host name that cannot be resolved",
        wrong="The host of the Audit API base URL cannot be found (DNS).",
        remedy=(
            "Copy the API base URL again from the page of the SIEM integration. If another machine knows the host, "
            "name resolution is out of order where the connector runs."
        ),
        place=AUDIT_ADDRESS,
        mended_by=MendedBy.PERHAPS_PERSON,
        fits=_at(Sign.NAME),
    ),
    Diagnosis(
        name="audit-redirect",
        seen="a redirection",
        wrong="The Audit API base URL leads on to another address, where no credential is sent.",
        remedy="Copy the API base URL again from the page of the SIEM integration.",
        place=AUDIT_ADDRESS,
        mended_by=MendedBy.PERHAPS_PERSON,
        fits=_at(Sign.REDIRECT),
    ),
    Diagnosis(
        name="audit-token-refused",
        seen="HTTP 401 for a new token that holds all it should",
        wrong=(
            "CyberArk Audit refuses a token that holds all it should: the Audit API base URL and the CyberArk "
            "Identity address seem to be those of different tenants."
        ),
        remedy="Take both addresses from the same tenant.",
        place=Place((*IDENTITY_ADDRESS.fields, *AUDIT_ADDRESS.fields), (5, 36)),
        fits=_at(statuses={401}),
    ),
    Diagnosis(
        name="audit-address",
        seen="HTTP 404, or anything but the JSON of the Audit API",
        wrong="What answers at the Audit API base URL is not the Audit API of CyberArk.",
        remedy="Copy the API base URL again from the page of the SIEM integration.",
        place=AUDIT_ADDRESS,
        mended_by=MendedBy.PERHAPS_PERSON,
        fits=either(
            _at(Sign.NOT_JSON),
            _at(Sign.STATUS, statuses={404, 405}),
            _at(Sign.STATUS, errors=NO_SUCH_CALL),
        ),
    ),
    Diagnosis(
        name="audit-key",
        seen="HTTP 403",
        wrong="CyberArk Audit refuses the API key: it is wrong, of another tenant, or of a deleted integration.",
        remedy="Copy the API key and the API base URL from the page of the same SIEM integration.",
        place=Place((KEY,), (36,)),
        fits=_at(Sign.STATUS, statuses={403}),
    ),
    Diagnosis(
        name="query-refused",
        seen="HTTP 400 when a query is opened",
        wrong="CyberArk Audit refuses the query: the size of the page or a filter does not suit this tenant.",
        remedy="Go back to the default of 500 events per page, and empty the filters one after the other.",
        place=Place((PAGE_SIZE, *FILTERS)),
        fits=_at(Sign.STATUS, statuses={400}, endpoint=CREATE_QUERY),
    ),
    Diagnosis(
        name="cursor-lost",
        seen="HTTP 400 when a page is asked for",
        wrong="CyberArk Audit no longer takes the cursor that the connector was reading on with.",
        remedy=(
            "There is nothing to do: a new query is opened at the next minute, and nothing is lost. If this comes "
            "back at every query, set the field Events per page back to 500."
        ),
        mended_by=MendedBy.TIME,
        fits=_at(Sign.STATUS, statuses={400}, endpoint=RESULTS),
    ),
    Diagnosis(
        name="query-limit",
        seen="HTTP 429 when a query is opened",
        wrong="The one query a minute that CyberArk Audit takes from a tenant is used up by another integration.",
        remedy=(
            "Delete the SIEM integration that is no longer needed, or raise the time between two queries, here and in "
            "the other product. Until then events are collected, but later."
        ),
        place=Place((FREQUENCY,), (3,)),
        mended_by=MendedBy.PERHAPS_PERSON,
        fits=_at(statuses={429}, endpoint=CREATE_QUERY),
    ),
    Diagnosis(
        name="audit-pace",
        seen="HTTP 429 when a page is asked for",
        wrong="CyberArk Audit wants fewer calls.",
        remedy="There is nothing to do: the connector calls less often, and nothing is lost.",
        mended_by=MendedBy.TIME,
        fits=_at(statuses={429}),
    ),
    Diagnosis(
        name="audit-refusal",
        seen="any other HTTP 4xx",
        wrong="CyberArk Audit refuses the call, for a reason that this connector does not know.",
        remedy="Compare the connector's form with the page of the SIEM integration.",
        place=Place(steps=(36,)),
        mended_by=MendedBy.PERHAPS_PERSON,
        fits=_at(Sign.STATUS, statuses=REFUSALS),
    ),
)
