"""The configuration of the module and of the connector: one model for each of the two forms.

Titles, descriptions, limits and patterns are defined here. `manifest.json` and `connector_audit_logs.json` are
generated from them, and a test keeps them equal. Steps are those of the guide, "How to create credentials".
"""

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_serializer, model_validator
from pydantic.fields import PrivateAttr
from sekoia_automation.connector import DefaultConnectorConfiguration

from .fields import (
    ADDRESS_PATTERN,
    NO_SLASH_PATTERN,
    OPTIONAL_ADDRESS_PATTERN,
    Address,
    Text,
    codes,
    draw_form,
    entries,
    number,
)
from .fields import password as clean_password

# The Audit API accepts one query a minute; a day between two is the most that makes sense.
LEAST_FREQUENCY_S, GREATEST_FREQUENCY_S = 60, 86_400
_KEY = "[!-~]+"  # it travels as an HTTP header
_FILTER = "If empty, all events are collected. Events that do not match are never sent to Sekoia."

_Number = BeforeValidator(number)


class _Configuration(BaseModel):
    model_config = ConfigDict(validate_assignment=True, hide_input_in_errors=True, extra="ignore")

    def __setattr__(self, name: str, value: Any) -> None:
        # The SDK assigns every secret that the platform holds for the account, of other versions' fields too.
        if name.startswith("_") or name in type(self).model_fields:
            super().__setattr__(name, value)


class CyberArkModuleConfiguration(_Configuration):
    """The account: how to obtain a token from CyberArk Identity.

    `password` may be missing when the configuration is loaded: the SDK assigns secrets later.
    """

    model_config = ConfigDict(title="CyberArk", json_schema_extra=draw_form)

    auth_base_url: Annotated[
        str, BeforeValidator(Address("Enter the address of the tenant only, e.g. https://abc1234.id.cyberark.cloud."))
    ] = Field(
        title="CyberArk Identity address",
        description=(
            "Address of CyberArk Identity Administration without a path, e.g. https://abc1234.id.cyberark.cloud "
            "(step 5: the address bar of the browser). Do not enter the address of the Audit service."
        ),
        json_schema_extra={"pattern": ADDRESS_PATTERN},
    )
    login_name: Annotated[
        str,
        BeforeValidator(Text("[^\r\n\t]+", "Enter the login name of the service user, with its suffix.")),
    ] = Field(
        title="Login name of the service user",
        description=(
            "Login name of the service user with its suffix, e.g. siem-svc@cyberark.cloud.1234 (step 23: Login name)."
        ),
        json_schema_extra={"minLength": 1},
    )
    password: Annotated[SecretStr, BeforeValidator(clean_password)] = Field(
        default=SecretStr(""),
        title="Password of the service user",
        description="Password of the service user (step 23: Password). Update it here when it changes in CyberArk.",
        json_schema_extra={"minLength": 1},
    )
    application_id: Annotated[
        str, BeforeValidator(Text(r"[^/?#\\\r\n]+", "Enter the Application ID of the web app, e.g. SekoiaAudit."))
    ] = Field(
        title="Application ID",
        description=(
            "Application ID of the OAuth2 Server web app, e.g. SekoiaAudit (step 11: Application ID). Case-sensitive. "
            "Do not enter the name or the address of the app."
        ),
        json_schema_extra={"pattern": NO_SLASH_PATTERN},
    )


class CyberArkAuditLogsConfiguration(_Configuration, DefaultConnectorConfiguration):
    """The connector: where events are read from, where they are sent, how often, and which."""

    model_config = ConfigDict(title="CyberArk audit logs", json_schema_extra=draw_form)

    api_base_url: Annotated[
        str,
        BeforeValidator(
            Address("Enter the API base URL of the SIEM integration only, e.g. https://abc1234.audit.cyberark.cloud.")
        ),
    ] = Field(
        title="CyberArk Audit API base URL",
        description=(
            "API base URL of the SIEM integration, without a path, e.g. https://abc1234.audit.cyberark.cloud or "
            "https://abc1234-eu.audit.cyberark.cloud (step 36: shown once the integration is created)."
        ),
        json_schema_extra={"pattern": ADDRESS_PATTERN},
    )
    api_key: Annotated[
        SecretStr, BeforeValidator(Text(_KEY, "Copy the API key again from the page of the SIEM integration."))
    ] = Field(
        title="CyberArk Audit API key",
        description="API key of the same SIEM integration (step 36: shown next to the API base URL).",
        json_schema_extra={"minLength": 1},
    )
    intake_key: Annotated[
        str, BeforeValidator(Text(_KEY, "Copy the intake key again from the Intakes page of Sekoia."))
    ] = Field(
        title="Intake key",
        description="Key of the intake that receives the events (Sekoia: Intakes page).",
        repr=False,
        json_schema_extra={"minLength": 1},
    )
    intake_server: Annotated[
        str | None,
        BeforeValidator(
            Address("Leave the field empty, or enter the address only, e.g. https://intake.sekoia.io.", optional=True)
        ),
    ] = Field(
        default=None,
        title="Intake server",
        description="Leave it empty, unless Sekoia gave you another address, e.g. https://intake.sekoia.io.",
        json_schema_extra={"pattern": OPTIONAL_ADDRESS_PATTERN},
    )
    frequency: Annotated[int, _Number] = Field(
        default=60,
        title="Time between two queries (seconds)",
        description=(
            "60 to 86400, e.g. 120 to share the tenant's limit of one query a minute with another integration. A "
            "longer interval delays late events."
        ),
        json_schema_extra={"minimum": LEAST_FREQUENCY_S, "maximum": GREATEST_FREQUENCY_S},
    )
    start_time: Annotated[int, _Number] = Field(
        default=1,
        ge=1,
        le=168,
        title="History at the first run (hours)",
        description="Hours of past events to collect at the first run, 1 to 168, e.g. 24. Later runs ignore it.",
    )
    overlap: Annotated[int, _Number] = Field(
        default=5,
        ge=0,
        le=1_440,
        title="Overlap (minutes)",
        description=(
            "Minutes that each query reads again to find late events, 0 to 1440, e.g. 15. A longer overlap reads more "
            "pages and uses more memory; duplicates are rare."
        ),
    )
    chunk_size: Annotated[int, _Number] = Field(
        default=500,
        ge=1,
        le=1_000,
        title="Events per page",
        description="Events to request in one call, 1 to 1000, e.g. 500. A tenant may refuse more than 500.",
    )
    application_codes: Annotated[list[str], BeforeValidator(codes)] = Field(
        default=[],
        title="Only these applications",
        description=f"Application codes to collect, one per entry, e.g. IDP. {_FILTER}",
    )
    audit_types: Annotated[list[str], BeforeValidator(codes)] = Field(
        default=[],
        title="Only these audit types",
        description=f"Values of auditType to collect, one per entry, e.g. Info. {_FILTER}",
    )
    actions: Annotated[list[str], BeforeValidator(entries)] = Field(
        default=[],
        title="Only these actions",
        description=f"Values of action to collect, one per entry, e.g. Add Safe. {_FILTER}",
    )

    _frequency_raised_from: int | None = PrivateAttr(default=None)

    @property
    def frequency_raised_from(self) -> int | None:
        """The stored frequency (s) if it was less than the Audit API accepts, else None."""
        return self._frequency_raised_from

    @model_validator(mode="after")
    def _bound_frequency(self) -> Self:
        # Brought within the limits instead of refused: the published connector accepted any.
        if self.frequency < LEAST_FREQUENCY_S:
            self._frequency_raised_from = self.frequency
        # Not by assignment, which would validate the model again.
        self.__dict__["frequency"] = min(max(self.frequency, LEAST_FREQUENCY_S), GREATEST_FREQUENCY_S)
        return self

    @field_serializer("intake_key")
    def _mask(self, _: str) -> str:
        # The SDK needs the key as a plain text, and hands a dump of the configuration to Sentry.
        return "**********"
