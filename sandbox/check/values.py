"""The values to try: from environment variables, or else asked for; secrets are never shown."""

import getpass
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, ValidationError

from cyberark_modules.configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration

VARIABLES = {
    "auth_base_url": "CYBERARK_AUTH_BASE_URL",
    "application_id": "CYBERARK_APPLICATION_ID",
    "login_name": "CYBERARK_LOGIN_NAME",
    "password": "CYBERARK_PASSWORD",
    "api_base_url": "CYBERARK_API_BASE_URL",
    "api_key": "CYBERARK_API_KEY",
    "intake_key": "SEKOIA_INTAKE_KEY",
    "intake_server": "SEKOIA_INTAKE_SERVER",
}
DEFAULT_INTAKE_SERVER = "https://intake.sekoia.io"
_SEKOIA = "sekoia.io"

# The intake is tried only if its key is given.
_OPTIONAL = {
    "intake_key": "empty: the intake is not tried",
    "intake_server": f"of your region; empty for {DEFAULT_INTAKE_SERVER}",
}
_SECRETS = {"password", "api_key", "intake_key"}
_NO_KEY = "-"

Ask = Callable[[str, bool], str]


class Refused(Exception):
    """A value cannot be used, and nobody is there to correct it."""


@dataclass(frozen=True)
class Values:
    """Both forms as they would be filled in.

    `has_intake` tells whether an intake key was given, `is_played` that the sandbox stands in Sekoia's place.
    """

    account: CyberArkModuleConfiguration
    connector: CyberArkAuditLogsConfiguration
    has_intake: bool
    is_played: bool = False

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Values":
        """Raises ValidationError."""
        key = given.get("intake_key")
        connector = {**given, "intake_key": key or _NO_KEY}
        if not connector.get("intake_server"):
            connector["intake_server"] = DEFAULT_INTAKE_SERVER
        return cls(
            CyberArkModuleConfiguration.model_validate(given),
            CyberArkAuditLogsConfiguration.model_validate(connector),
            bool(key),
        )

    def form(self) -> dict[str, dict[str, str]]:
        """What to paste where: by form, by the title of the field. Secrets are masked."""
        account = _titled(self.account)
        connector = _titled(self.connector)
        if not self.has_intake:
            for name in _OPTIONAL:
                del connector[title_of(name)]
        elif self.is_played or _is_sekoias(self.connector.intake_server or ""):
            connector[title_of("intake_server")] = "(leave this field empty)"
        return {"Account": account, "Connector": connector}


def title_of(name: str) -> str:
    return _model_of(name).model_fields[name].title or name


def gather(ask: Ask | None, say: Callable[[str], None]) -> Values:
    """Raises Refused when a value is missing or wrong and there is nobody to `ask`.

    `ask(prompt, is_secret)` returns what the person typed.
    """
    given: dict[str, str] = {}
    for name, variable in VARIABLES.items():
        if name == "intake_server" and not given.get("intake_key"):
            continue
        value = os.environ.get(variable)
        while value is None or (fault := _fault(name, value)):
            if value is not None:
                say(f"{title_of(name)}: {fault}")
            if ask is None and name in _OPTIONAL and value is None:
                value = ""
            elif ask is None:
                raise Refused(f"{variable} is missing" if value is None else f"{variable} cannot be used")
            else:
                hint = f" ({_OPTIONAL[name]})" if name in _OPTIONAL else ""
                value = ask(f"{title_of(name)}{hint}: ", name in _SECRETS)
        given[name] = value
    return Values.of(given)


def ask_in_terminal(prompt: str, is_secret: bool) -> str:
    if is_secret:
        return getpass.getpass(prompt)
    print(prompt, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().rstrip("\n")


def _model_of(name: str) -> type[BaseModel]:
    account = CyberArkModuleConfiguration
    return account if name in account.model_fields else CyberArkAuditLogsConfiguration


def _fault(name: str, value: str) -> str:
    if not value and name in _OPTIONAL:
        return ""
    if not value:
        return "It is empty."
    try:
        _model_of(name).model_validate({name: value})
    except ValidationError as refused:
        faults = (error["msg"] for error in refused.errors(include_input=False) if error["loc"][0] == name)
        return next(faults, "")
    return ""


def _is_sekoias(url: str) -> bool:
    """Whether that is the intake of a Sekoia region, which the platform fills in by itself."""
    host = urlsplit(url).hostname or ""
    return host == _SEKOIA or host.endswith(f".{_SEKOIA}")


def _titled(form: BaseModel) -> dict[str, str]:
    shown = {name: getattr(form, name) for name in VARIABLES if name in type(form).model_fields}
    return {
        title_of(name): "**********" if isinstance(value, SecretStr) or name in _SECRETS else str(value)
        for name, value in shown.items()
    }
