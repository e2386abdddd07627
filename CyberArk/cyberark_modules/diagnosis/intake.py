"""What can be wrong with the intake: its key and its address."""

from ..errors import Service, Sign
from .row import INTAKE_ADDRESS, REFUSALS, Diagnosis, MendedBy, Place, either, seen

KEY = "Intake key"

INTAKE = (
    Diagnosis(
        name="intake-key",
        seen="HTTP 401 or 403",
        wrong="The intake does not take events with this intake key.",
        remedy="Copy the intake key again from the Intakes page of Sekoia, of the same region as the intake server.",
        place=Place((KEY,)),
        fits=seen(Sign.STATUS, service=Service.INTAKE, statuses={401, 403}),
    ),
    Diagnosis(
        name="intake-name",
        seen="a host name that cannot be resolved",
        wrong="The host of the intake server cannot be found (DNS).",
        remedy="Empty the field, to use the intake server of your Sekoia region, or correct the address.",
        place=INTAKE_ADDRESS,
        mended_by=MendedBy.PERHAPS_PERSON,
        fits=seen(Sign.NAME, service=Service.INTAKE),
    ),
    Diagnosis(
        name="intake-address",
        seen="HTTP 404 or 405, a redirection, or anything but JSON",
        wrong="This address answers, but it is not a Sekoia intake.",
        remedy="Empty the field, to use the intake server of your Sekoia region, or correct the address.",
        place=INTAKE_ADDRESS,
        mended_by=MendedBy.PERHAPS_PERSON,
        fits=either(
            seen(Sign.NOT_JSON, Sign.NOT_INTAKE, Sign.REDIRECT, service=Service.INTAKE),
            seen(Sign.STATUS, service=Service.INTAKE, statuses={404, 405}),
        ),
    ),
    Diagnosis(
        name="intake-refusal",
        seen="any other HTTP 4xx",
        wrong="The intake refuses events, for a reason that this connector does not know.",
        remedy="Look at the intake in Sekoia: it may be disabled. Events are kept and sent again meanwhile.",
        place=Place((KEY,)),
        mended_by=MendedBy.PERHAPS_PERSON,
        fits=seen(Sign.STATUS, service=Service.INTAKE, statuses=REFUSALS),
    ),
)
