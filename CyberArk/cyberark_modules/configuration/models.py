"""The configuration of the module and of the connector: one model for each of the two forms.

Titles, descriptions, limits and patterns are said here; `manifest.json` and `connector_audit_logs.json` repeat them,
and a test keeps them equal.
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_serializer
from sekoia_automation.connector import DefaultConnectorConfiguration

from .fields import (
    ADDRESS_PATTERN,
    KEY_PATTERN,
    NAME_PATTERN,
    OPTIONAL_ADDRESS_PATTERN,
    PATH_SEGMENT_PATTERN,
    Address,
    AdjustedNumber,
    NearestWholeNumber,
    Text,
    WholeNumber,
    codes,
    draw_form,
    entries,
)
from .fields import password as clean_password


class _Configuration(BaseModel):
    model_config = ConfigDict(validate_assignment=True, hide_input_in_errors=True, extra="ignore")

    def __setattr__(self, name: str, value: Any) -> None:
        # The SDK assigns every secret that the platform holds for the account, of other versions' fields too.
        if name.startswith("_") or name in type(self).model_fields:
            super().__setattr__(name, value)


class CyberArkModuleConfiguration(_Configuration):
    """The account: how a token is had from CyberArk Identity.

    `password` may be missing when the configuration is loaded: the SDK brings secrets later, by assignment.
    """

    model_config = ConfigDict(title="CyberArk", json_schema_extra=draw_form)

    auth_base_url: Annotated[
        str,
        Address(ADDRESS_PATTERN, "Paste only the address of the tenant, such as https://abc1234.id.cyberark.cloud."),
    ] = Field(
        title="CyberArk Identity address",
        description=(
            "Where the connector asks for its token. Open Identity Administration (step 5 of the guide) and copy the "
            "beginning of the browser's address bar, up to the first slash after the host name. "
            "This is not the address of the Audit service."
        ),
        examples=["https://abc1234.id.cyberark.cloud"],
    )
    login_name: Annotated[
        str,
        Text(NAME_PATTERN, "Paste the login name of the service user, such as siem-svc@cyberark.cloud.1234."),
    ] = Field(
        title="Login name of the service user",
        description=(
            "The whole login name of the service user made for this integration, with its suffix: what was typed at "
            "step 23 of the guide, @ and everything after it included."
        ),
        examples=["siem-svc@cyberark.cloud.1234"],
    )
    password: Annotated[SecretStr, BeforeValidator(clean_password)] = Field(
        default=SecretStr(""),
        title="Password of the service user",
        description=(
            "The password given to the service user at step 23 of the guide. When it is changed in CyberArk Identity, "
            "change it here too."
        ),
        json_schema_extra={"minLength": 1},
    )
    application_id: Annotated[
        str,
        Text(PATH_SEGMENT_PATTERN, "Paste only the Application ID of the web app, such as SekoiaAudit."),
    ] = Field(
        title="Application ID",
        description=(
            "The Application ID of the OAuth2 Server web app, as typed at step 11 of the guide. Capitals count. "
            "This is neither the name of the app nor its address."
        ),
        examples=["SekoiaAudit"],
    )


class CyberArkAuditLogsConfiguration(_Configuration, DefaultConnectorConfiguration):
    """The connector: where events are read, where they go, how often, and which."""

    model_config = ConfigDict(title="CyberArk audit logs", json_schema_extra=draw_form)

    api_base_url: Annotated[
        str,
        Address(
            ADDRESS_PATTERN,
            "Paste only the API base URL of the SIEM integration, such as https://abc1234.audit.cyberark.cloud.",
        ),
    ] = Field(
        title="CyberArk Audit API base URL",
        description=(
            "Where the connector reads the events. CyberArk Audit shows it on the page of the SIEM integration once "
            "the integration is made (step 36 of the guide). It ends with the name of the host: no path."
        ),
        examples=["https://abc1234.audit.cyberark.cloud", "https://abc1234-eu.audit.cyberark.cloud"],
    )
    api_key: Annotated[
        SecretStr, Text(KEY_PATTERN, "Copy the API key again from the page of the SIEM integration.")
    ] = Field(
        title="CyberArk Audit API key",
        description=(
            "The key of the same SIEM integration, shown on the same page as the API base URL (step 36 of the guide)."
        ),
    )
    intake_key: Annotated[str, Text(KEY_PATTERN, "Copy the intake key again from the Intakes page of Sekoia.")] = (
        Field(
            title="Intake key",
            description="The key of the intake that receives the events. Copy it from the Intakes page of Sekoia.",
            repr=False,
        )
    )
    intake_server: Annotated[
        str | None,
        Address(
            OPTIONAL_ADDRESS_PATTERN,
            "Paste only the address of the intake server, such as https://intake.sekoia.io, or leave the field empty.",
        ),
    ] = Field(
        default=None,
        title="Intake server",
        description=(
            "Leave it empty to use the intake server of your Sekoia region. Fill it only if Sekoia gave you "
            "another address."
        ),
        examples=["https://intake.sekoia.io"],
    )
    frequency: Annotated[int, NearestWholeNumber(60, 86_400)] = Field(
        default=60,
        title="Time between two queries (seconds)",
        description=(
            "CyberArk takes one query a minute for the whole tenant, so 60 is the least. More seconds leave more of "
            "that allowance to another SIEM integration, at the price of late events arriving later."
        ),
    )
    start_time: Annotated[int, WholeNumber(1, 168)] = Field(
        default=1,
        title="History at the first run (hours)",
        description=(
            "How far back the very first query reads; no later run looks at it. CyberArk keeps 168 hours (7 days). "
            "A long history on a busy tenant takes a while to read, and counts in the volume of the intake."
        ),
    )
    overlap: Annotated[int, WholeNumber(0, 1_440)] = Field(
        default=5,
        title="Overlap (minutes)",
        description=(
            "How far behind the newest event every query reads again, to catch events that CyberArk receives late. "
            "What was delivered already is not sent twice. A longer overlap catches later events, at the price of "
            "more pages read at every query and more memory on a busy tenant; 0 catches none, 1440 (a day) is the "
            "most."
        ),
    )
    chunk_size: Annotated[int, WholeNumber(1, 1_000)] = Field(
        default=500,
        title="Events per page",
        description=(
            "How many events are asked for in one call, 1000 at most. Small pages cost more calls. CyberArk's own "
            "connectors ask for 500; a tenant may refuse more."
        ),
    )
    application_codes: Annotated[list[str], BeforeValidator(codes)] = Field(
        default=[],
        title="Only these applications",
        description=(
            "Application codes to collect, each as a value of its own, such as IDP for Identity or PAM for Privilege "
            "Cloud. Leave it empty to collect everything. What a filter leaves out is never collected, so no "
            "detection rule can see it."
        ),
        examples=[["IDP", "PAM"]],
    )
    audit_types: Annotated[list[str], BeforeValidator(codes)] = Field(
        default=[],
        title="Only these audit types",
        description=(
            "Audit types to collect, each as a value of its own, written as in the auditType of the events. Leave it "
            "empty to collect everything. What a filter leaves out is never collected, so no detection rule can see "
            "it."
        ),
        examples=[["Info"]],
    )
    actions: Annotated[list[str], BeforeValidator(entries)] = Field(
        default=[],
        title="Only these actions",
        description=(
            "Actions to collect, each as a value of its own, written as in the action of the events. Leave it empty "
            "to collect everything. What a filter leaves out is never collected, so no detection rule can see it."
        ),
        examples=[["Add Safe", "Retrieve password"]],
    )

    @property
    def frequency_raised_from(self) -> int | None:
        """The configured frequency in seconds when it was under the least that the API bears, else None."""
        asked = self.frequency.asked if isinstance(self.frequency, AdjustedNumber) else self.frequency
        return asked if asked < self.frequency else None

    @field_serializer("intake_key")
    def _mask(self, _: str) -> str:
        # The SDK needs the key as a plain text, and hands a dump of the configuration to Sentry.
        return "**********"
