"""What can be wrong with the intake: its key and its address."""

from ..errors import FailureKind, Service
from .row import INTAKE_ADDRESS, REFUSALS, Diagnosis, Place, ResolvedBy, either, seen

KEY = "Intake key"

INTAKE = (
    Diagnosis(
        name="intake-key",
        seen="HTTP 401 or 403",
        problem="The intake does not take events with this intake key.",
        remedy="Copy the intake key again from the Intakes page of Sekoia, of the same region as the intake server.",
        place=Place((KEY,)),
        fits=seen(FailureKind.STATUS, service=Service.INTAKE, statuses={401, 403}),
    ),
    Diagnosis(
        name="intake-name",
        seen="a host name that cannot be resolved",
        problem="The host of the intake server cannot be found (DNS).",
        remedy="Empty the field, to use the intake server of your Sekoia region, or correct the address.",
        place=INTAKE_ADDRESS,
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        fits=seen(FailureKind.NAME, service=Service.INTAKE),
    ),
    Diagnosis(
        name="intake-address",
        seen="HTTP 404 or 405, a redirection, or a 200 without the ids of events",
        problem="What answers at the address of the intake server is not an intake of Sekoia.",
        remedy="Empty the field, to use the intake server of your Sekoia region, or correct the address.",
        place=INTAKE_ADDRESS,
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        fits=either(
            seen(FailureKind.NOT_JSON, FailureKind.NOT_INTAKE, FailureKind.REDIRECT, service=Service.INTAKE),
            seen(FailureKind.STATUS, service=Service.INTAKE, statuses={404, 405}),
        ),
    ),
    Diagnosis(
        name="intake-refusal",
        seen="any other HTTP 4xx",
        problem="The intake refuses events, for a reason that this connector does not know.",
        remedy="Look at the intake in Sekoia: it may be disabled. Events are kept and sent again meanwhile.",
        place=Place((KEY,)),
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        fits=seen(FailureKind.STATUS, service=Service.INTAKE, statuses=REFUSALS),
    ),
)
