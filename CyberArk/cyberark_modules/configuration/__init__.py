"""The two forms of the platform: one model for the account, and one for the connector.

Titles, descriptions and limits are defined here. `manifest.json`, `connector_audit_logs.json` and its twin
`trigger_audit_logs.json` are generated from them, and a test keeps them equal.
"""

from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SecretStr,
    field_serializer,
    model_validator,
)
from sekoia_automation.connector import DefaultConnectorConfiguration

from .fields import address, draw_form, entries, field_faults, pasted_password, trim

__all__ = ["CyberArkAuditLogsConfiguration", "CyberArkModuleConfiguration", "field_faults"]

# The Audit API accepts one query a minute; a day between two is the most that makes sense.
LEAST_FREQUENCY_S, GREATEST_FREQUENCY_S = 60, 86_400
# Of pre-releases.
_OLD_NAMES = {
    "actions": "filter_actions",
    "application_codes": "filter_applications",
    "audit_types": "filter_audit_types",
}
_CORRECTED = {"auth_base_url", "api_base_url", "intake_server", "frequency"}
_Text = Annotated[str, BeforeValidator(trim)]
_Address = Annotated[str, BeforeValidator(address), Field(json_schema_extra={"format": "uri"})]
_Values = Annotated[list[str], BeforeValidator(entries)]


class _Configuration(BaseModel):
    model_config = ConfigDict(
        validate_assignment=True, hide_input_in_errors=True, extra="ignore", json_schema_extra=draw_form
    )

    _corrections: list[str] = PrivateAttr(default_factory=list)

    def __setattr__(self, name: str, value: Any) -> None:
        # The SDK assigns every secret that the platform holds for the account, of other versions' fields too.
        if name in type(self).model_fields:
            super().__setattr__(name, value)

    @model_validator(mode="wrap")
    @classmethod
    def _from_form(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Leave out empty fields, read the names of pre-releases too, and note which values are used in part only."""
        if not isinstance(values, dict):  # an assignment
            return handler(values)
        typed = {name: value for name, value in values.items() if not isinstance(value, str) or trim(value)}
        model = handler({_OLD_NAMES.get(name, name): value for name, value in typed.items() if value is not None})
        for name in _CORRECTED & typed.keys() & cls.model_fields.keys():
            used, stored = str(getattr(model, name)), trim(typed[name]).lower().rstrip("/")
            if stored not in (used, used.removeprefix("https://")):
                field = cls.model_fields[name]
                model._corrections.append(f"Field “{field.title}”: {used} is used. Enter: {field.description}.")
        return model

    @property
    def corrections(self) -> list[str]:
        """A sentence for each field of which a part is used: the published 1.0.0 took any address and frequency."""
        return self._corrections


def _within_limits(frequency: int) -> int:
    """Return a frequency that can be used: the published 1.0.0 accepted any."""
    return min(max(frequency, LEAST_FREQUENCY_S), GREATEST_FREQUENCY_S)


class CyberArkModuleConfiguration(_Configuration):
    """The account: how to obtain a token from CyberArk Identity.

    `password` may be missing when the configuration is loaded: the SDK assigns secrets later.
    """

    model_config = ConfigDict(title="CyberArk")

    auth_base_url: _Address = Field(
        title="CyberArk Identity address",
        description="Address up to the host name, e.g. https://abc1234.id.cyberark.cloud",
    )
    login_name: _Text = Field(
        title="Login name of the service user", description="Full login name, e.g. siem-svc@cyberark.cloud.1234"
    )
    password: Annotated[SecretStr, BeforeValidator(pasted_password)] = Field(
        default=SecretStr(""),
        title="Password of the service user",
        description="Password of that user in CyberArk; update it when it changes",
    )
    application_id: _Text = Field(
        title="Application ID", description="Application ID (not name) of the OAuth2 web app, e.g. SekoiaAudit"
    )

    @property
    def credentials(self) -> str:
        """Return the login name and the password as HTTP Basic joins them."""
        return f"{self.login_name}:{self.password.get_secret_value()}"


class CyberArkAuditLogsConfiguration(_Configuration, DefaultConnectorConfiguration):
    """The connector: where events are read from, where they are sent, how often, and which."""

    model_config = ConfigDict(title="CyberArk audit logs")

    api_base_url: _Address = Field(
        title="CyberArk Audit API base URL",
        description="From the SIEM integration, e.g. https://abc1234.audit.cyberark.cloud",
    )
    api_key: Annotated[SecretStr, BeforeValidator(trim)] = Field(
        title="CyberArk Audit API key", description="API key that the same SIEM integration shows"
    )
    intake_key: _Text = Field(title="Intake key", description="Key of the intake that receives the events", repr=False)
    intake_server: Annotated[str | None, BeforeValidator(address)] = Field(
        default=None,
        title="Intake server",
        description="Only if Sekoia gave you another one, e.g. https://intake.sekoia.io",
    )
    frequency: Annotated[int, BeforeValidator(trim), AfterValidator(_within_limits)] = Field(
        default=60,
        title="Polling interval (seconds)",
        description="Seconds between two queries, 60 or more, e.g. 60",
        json_schema_extra={"minimum": LEAST_FREQUENCY_S, "maximum": GREATEST_FREQUENCY_S},
    )
    start_time: Annotated[int, BeforeValidator(trim)] = Field(
        default=1,
        ge=1,
        le=168,
        title="Initial lookback (hours)",
        description="Hours of past events to collect at the first run, e.g. 24",
    )
    filter_actions: _Values = Field(
        default=[], title="Only these actions", description="One action per entry, e.g. Add Safe; empty collects all"
    )
    filter_applications: _Values = Field(
        default=[],
        title="Only these applications",
        description="One application code per entry, e.g. IDP; empty collects all",
    )
    filter_audit_types: _Values = Field(
        default=[],
        title="Only these audit types",
        description="One audit type per entry, e.g. Info; empty collects all",
    )

    @field_serializer("intake_key")
    def _mask(self, _: str) -> str:
        # The SDK needs the key as a plain text, and hands a dump of the configuration to Sentry.
        return "**********"
