"""What can be wrong between this machine and any of the services."""

from ..errors import FailureKind
from .row import Diagnosis, ResolvedBy, seen

# Clocks that are in order differ by seconds.
CLOCK_OFF_S = 120.0

NETWORK = (
    Diagnosis(
        name="certificate-authority",
        seen="a certificate of an unknown authority",
        problem=(
            "The certificate of the host is signed by an authority that is not trusted here: a proxy that reads along "
            "(TLS inspection) stands in between, or the address is wrong."
        ),
        remedy=(
            "Have the host exempted from TLS inspection, or the proxy's authority added to the file that "
            "REQUESTS_CA_BUNDLE names."
        ),
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        fits=seen(FailureKind.CERTIFICATE_AUTHORITY),
    ),
    Diagnosis(
        name="certificate-host",
        seen="a certificate for another host",
        problem="The certificate is made out to another host than the one in the address.",
        remedy="Correct the address; if it is right, something stands in between that should not.",
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        is_about_address=True,
        fits=seen(FailureKind.CERTIFICATE_HOST),
    ),
    Diagnosis(
        name="certificate-date",
        seen="a certificate that has expired, or is not valid yet",
        problem="The certificate of the host has expired, or is not valid yet by the clock of this machine.",
        remedy="Check the date of the machine; if it is right, who runs the host has to renew the certificate.",
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        fits=seen(FailureKind.CERTIFICATE_DATE),
    ),
    Diagnosis(
        name="trust-store",
        seen="no file of trusted certificates",
        problem="The file of trusted certificates that REQUESTS_CA_BUNDLE names cannot be read.",
        remedy="Correct the variable or the file, or unset the variable to trust the usual authorities.",
        fits=seen(FailureKind.TRUST_STORE),
    ),
    Diagnosis(
        name="tls",
        seen="a TLS handshake that fails",
        problem="No encrypted connection (TLS 1.2 or newer) can be made with the host.",
        remedy="Correct the address and its port; if they are right, a firewall or a proxy stands in between.",
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        is_about_address=True,
        fits=seen(FailureKind.TLS),
    ),
    Diagnosis(
        name="proxy",
        seen="a refusal of the proxy, or no answer of it",
        problem="The proxy that HTTPS_PROXY names does not let the connection through.",
        remedy="Have the host allowed on the proxy, correct HTTPS_PROXY, or name the host in NO_PROXY.",
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        fits=seen(FailureKind.PROXY),
    ),
    Diagnosis(
        name="clock-off",
        seen="a clock that is minutes away from that of the service",
        problem="The clock of the machine that the connector runs on is off by minutes.",
        remedy=(
            "Have the clock set by network time (NTP). Events are collected all the same: the connector goes by "
            "CyberArk's clock."
        ),
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        fits=seen(FailureKind.CLOCK),
    ),
    Diagnosis(
        name="no-connection",
        seen="a connection that is refused or broken",
        problem="The host refuses connections or breaks them.",
        remedy="If this lasts, the address is wrong, or a firewall forbids the connection.",
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        is_about_address=True,
        fits=seen(FailureKind.CONNECTION),
    ),
    Diagnosis(
        name="no-answer",
        seen="no answer in time",
        problem="The host does not answer in time.",
        remedy="If this lasts, the address is wrong, or a firewall swallows the connection.",
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        is_about_address=True,
        fits=seen(FailureKind.TIMEOUT),
    ),
    Diagnosis(
        name="service-busy",
        seen="HTTP 429",
        problem="The service wants fewer calls.",
        remedy="Wait a few minutes. The connector asks again by itself, and nothing is lost.",
        resolved_by=ResolvedBy.TIME,
        fits=seen(statuses={429}),
    ),
    Diagnosis(
        name="service-down",
        seen="HTTP 5xx or 408",
        problem="The service is out of order for the moment.",
        remedy="Wait a few minutes. The connector asks again by itself, and nothing is lost.",
        resolved_by=ResolvedBy.TIME,
        fits=seen(statuses={408, *range(500, 600)}),
    ),
    Diagnosis(
        name="not-understood",
        seen="anything else",
        problem="The answer of the service is not what its documentation says.",
        remedy="If this lasts, give the words in brackets to the support of Sekoia.",
        resolved_by=ResolvedBy.PERSON_IF_IT_LASTS,
        fits=lambda _: True,
    ),
)
