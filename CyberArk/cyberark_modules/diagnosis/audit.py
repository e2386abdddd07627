"""What can be wrong with the Audit API: its address, its key, the token it is given, and how often it is called."""

from collections.abc import Collection

from ..audit_api.client import CREATE_QUERY, RESULTS
from ..audit_api.transport import UNKNOWN_CALL
from ..errors import Failure, FailureKind, Service
from .row import AUDIT_ADDRESS, IDENTITY_ADDRESS, REFUSALS, Diagnosis, Fits, Place, ResolvedBy, both, either, seen

KEY = "CyberArk Audit API key"
FREQUENCY = "Time between two queries (seconds)"
PAGE_SIZE = "Events per page"
FILTERS = ("Only these applications", "Only these audit types", "Only these actions")


def _has_identity_host(failure: Failure) -> bool:
    return ".id." in failure.host or ".idaptive." in failure.host


def _at(*kinds: FailureKind, statuses: Collection[int] = (), endpoint: str = "", errors: Collection[str] = ()) -> Fits:
    return seen(*kinds, service=Service.AUDIT, statuses=statuses, endpoint=endpoint, errors=errors)


AUDIT = (
    Diagnosis(
        name="audit-is-identity-address",
        seen="a host name with `.id.` in it",
        problem="The address of CyberArk Identity stands in the place of the Audit API base URL.",
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
        problem="The host of the Audit API base URL cannot be found (DNS).",
        remedy=(
            "Copy the API base URL again from the page of the SIEM integration. If another machine knows the host, "
            "name resolution is out of order where the connector runs."
        ),
        place=AUDIT_ADDRESS,
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        fits=_at(FailureKind.NAME),
    ),
    Diagnosis(
        name="audit-redirect",
        seen="a redirection",
        problem="The Audit API base URL leads on to another address, where no credential is sent.",
        remedy="Copy the API base URL again from the page of the SIEM integration.",
        place=AUDIT_ADDRESS,
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        fits=_at(FailureKind.REDIRECT),
    ),
    Diagnosis(
        name="audit-token-refused",
        seen="HTTP 401 for a new token that holds all it should",
        problem=(
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
        problem="What answers at the Audit API base URL is not the Audit API of CyberArk.",
        remedy="Copy the API base URL again from the page of the SIEM integration.",
        place=AUDIT_ADDRESS,
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        fits=either(
            _at(FailureKind.NOT_JSON),
            _at(FailureKind.STATUS, statuses={404, 405}),
            _at(FailureKind.STATUS, errors=UNKNOWN_CALL),
        ),
    ),
    Diagnosis(
        name="audit-key",
        seen="HTTP 403",
        problem="CyberArk Audit refuses the API key: it is wrong, of another tenant, or of a deleted integration.",
        remedy="Copy the API key and the API base URL from the page of the same SIEM integration.",
        place=Place((KEY,), (36,)),
        fits=_at(FailureKind.STATUS, statuses={403}),
    ),
    Diagnosis(
        name="query-refused",
        seen="HTTP 400 when a query is opened",
        problem="CyberArk Audit refuses the query: the size of the page or a filter does not suit this tenant.",
        remedy="Go back to the default of 500 events per page, and empty the filters one after the other.",
        place=Place((PAGE_SIZE, *FILTERS)),
        fits=_at(FailureKind.STATUS, statuses={400}, endpoint=CREATE_QUERY),
    ),
    Diagnosis(
        name="cursor-lost",
        seen="HTTP 400 when a page is asked for",
        problem="CyberArk Audit no longer takes the cursor that the connector was reading on with.",
        remedy=(
            "There is nothing to do: a new query is opened at the next minute, and nothing is lost. If this comes "
            "back at every query, set the field Events per page back to 500."
        ),
        resolved_by=ResolvedBy.TIME,
        fits=_at(FailureKind.STATUS, statuses={400}, endpoint=RESULTS),
    ),
    Diagnosis(
        name="query-limit",
        seen="HTTP 429 when a query is opened",
        problem="The one query a minute that CyberArk Audit takes from a tenant is used up by another integration.",
        remedy=(
            "Delete the SIEM integration that is no longer needed, or raise the time between two queries, here and in "
            "the other product. Until then events are collected, but later."
        ),
        place=Place((FREQUENCY,), (3,)),
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        fits=_at(statuses={429}, endpoint=CREATE_QUERY),
    ),
    Diagnosis(
        name="audit-pace",
        seen="HTTP 429 when a page is asked for",
        problem="CyberArk Audit wants fewer calls.",
        remedy="There is nothing to do: the connector calls less often, and nothing is lost.",
        resolved_by=ResolvedBy.TIME,
        fits=_at(statuses={429}),
    ),
    Diagnosis(
        name="audit-refusal",
        seen="any other HTTP 4xx",
        problem="CyberArk Audit refuses the call, for a reason that this connector does not know.",
        remedy="Compare the connector's form with the page of the SIEM integration.",
        place=Place(steps=(36,)),
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        fits=_at(FailureKind.STATUS, statuses=REFUSALS),
    ),
)
