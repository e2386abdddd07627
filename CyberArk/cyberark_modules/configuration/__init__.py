"""The models of the two forms, the account's in `manifest.json` and the connector's in `connector_audit_logs.json`.

The forms hold what a person reads; a test checks that the models agree with them.
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

from .fields import FIELDS, address, entries, pasted_password, trim

_CORRECTED = {"auth_base_url", "api_base_url", "intake_server", "frequency"}
_Text = Annotated[str, BeforeValidator(trim)]
_Address = Annotated[str, BeforeValidator(address)]
_Values = Annotated[list[str], BeforeValidator(entries)]


class _Configuration(BaseModel):
    model_config = ConfigDict(validate_assignment=True, hide_input_in_errors=True, extra="ignore")

    _corrections: list[str] = PrivateAttr(default_factory=list)

    def __setattr__(self, name: str, value: Any) -> None:
        # The SDK assigns every secret that the platform holds for the account, of other versions' fields too.
        if name in type(self).model_fields:
            super().__setattr__(name, value)

    @model_validator(mode="wrap")
    @classmethod
    def _from_form(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Leave out empty fields, and note which values are used in part only."""
        if not isinstance(values, dict):  # an assignment
            return handler(values)
        typed = {name: value for name, value in values.items() if not isinstance(value, str) or trim(value)}
        model = handler({name: value for name, value in typed.items() if value is not None})
        for name in _CORRECTED & typed.keys() & cls.model_fields.keys():
            used, stored = str(getattr(model, name)), trim(typed[name]).lower().rstrip("/")
            if stored not in (used, used.removeprefix("https://")):
                field = FIELDS[name]
                model._corrections.append(f"Field “{field['title']}”: {used} is used. Enter: {field['description']}.")
        return model

    @property
    def corrections(self) -> list[str]:
        """A sentence for each field of which a part is used: the published 1.0.0 took any address and frequency."""
        return self._corrections


def _within_limits(frequency: int) -> int:
    """Return a frequency that can be used: the Audit API accepts one query a minute. 1.0.0 accepted any."""
    return min(max(frequency, 60), 86_400)


class CyberArkModuleConfiguration(_Configuration):
    """The account: how to obtain a token from CyberArk Identity.

    `password` may be missing when the configuration is loaded: the SDK assigns secrets later.
    """

    auth_base_url: _Address
    login_name: _Text
    password: Annotated[SecretStr, BeforeValidator(pasted_password)] = SecretStr("")
    application_id: _Text

    @property
    def credentials(self) -> str:
        """Return the login name and the password as HTTP Basic joins them."""
        return f"{self.login_name}:{self.password.get_secret_value()}"


class CyberArkAuditLogsConfiguration(_Configuration, DefaultConnectorConfiguration):
    """The connector: where events are read from, where they are sent, how often, and which."""

    api_base_url: _Address
    api_key: Annotated[SecretStr, BeforeValidator(trim)]
    intake_key: _Text = Field(repr=False)
    intake_server: Annotated[str | None, BeforeValidator(address)] = None
    frequency: Annotated[int, BeforeValidator(trim), AfterValidator(_within_limits)] = 60
    start_time: Annotated[int, BeforeValidator(trim)] = Field(default=1, ge=1, le=168)
    filter_actions: _Values = []
    filter_applications: _Values = []
    filter_audit_types: _Values = []

    @field_serializer("intake_key")
    def _mask(self, _: str) -> str:
        # The SDK needs the key as a plain text, and hands a dump of the configuration to Sentry.
        return "**********"
