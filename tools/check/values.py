"""The values to check: those given, and those that a person enters. Secrets are never echoed."""

import getpass
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cyberark_modules.configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from cyberark_modules.configuration.fields import FIELDS, field_faults
from cyberark_modules.masking import mask
from tools import MODULE
from tools.check.options import SECRETS, VARIABLES

# The intake is checked only if its key is given.
OPTIONAL = {"intake_key": "empty: the intake is not checked", "intake_server": "empty: that of sekoia.io"}
DEFAULT_INTAKE_SERVER = "https://intake.sekoia.io"

Ask = Callable[[str, bool], str]


class Unusable(Exception):
    """A value is missing or fails validation, and nobody is there to correct it."""


@dataclass(frozen=True)
class Values:
    """Both forms as a person would fill them in; `has_intake`: an intake key is given."""

    account: CyberArkModuleConfiguration
    connector: CyberArkAuditLogsConfiguration
    has_intake: bool

    @property
    def version(self) -> str:
        """The version of the module."""
        return str(json.loads((MODULE / "manifest.json").read_text())["version"])


def gather(given: Mapping[str, str], ask: Ask | None, say: Callable[[str], None]) -> Values:
    """Return the values, and have secrets masked from now on. Raise Unusable when there is nobody to `ask`.

    `ask(prompt, is_secret)` returns what the person entered; a value that fails validation has to be entered again.
    """
    entered: dict[str, str] = {}
    for name, variable in VARIABLES.items():
        if name == "intake_server" and not entered["intake_key"]:
            continue
        value = given.get(name)
        while value is None or (fault := fault_of(name, value)):
            if value is not None and ask is not None:
                say(fault)
            if ask is None and name in OPTIONAL and value is None:
                value = ""
            elif ask is None:
                raise Unusable(f"{variable} is missing" if value is None else f"{variable} cannot be used: {fault}")
            else:
                hint = f" ({OPTIONAL[name]})" if name in OPTIONAL else ""
                value = ask(f"{title_of(name)}{hint}: ", name in SECRETS)
        entered[name] = value
        if name in SECRETS:
            mask(value)
    has_intake = bool(entered["intake_key"])
    entered["intake_key"] = entered["intake_key"] or "-"
    entered["intake_server"] = entered.get("intake_server") or DEFAULT_INTAKE_SERVER
    account = CyberArkModuleConfiguration.model_validate(entered)
    mask(account.credentials)
    return Values(account, CyberArkAuditLogsConfiguration.model_validate(entered), has_intake)


def fault_of(name: str, value: str) -> str:
    """Return what the form says about that value, "" when nothing is wrong."""
    if not value:
        return "" if name in OPTIONAL else f"“{title_of(name)}”: It is empty."
    is_accounts = name in CyberArkModuleConfiguration.model_fields
    form = CyberArkModuleConfiguration if is_accounts else CyberArkAuditLogsConfiguration
    faults = [fault for fault in field_faults(form, {name: value}) if fault.startswith(f"“{title_of(name)}”")]
    return next(iter(faults), "")


def title_of(name: str) -> str:
    """Return the title that the form gives to a field."""
    return FIELDS[name]["title"]


def ask_in_terminal(prompt: str, is_secret: bool) -> str:
    """Return what the person enters; a secret is not echoed. Raise Unusable when the input ends."""
    try:
        return getpass.getpass(prompt) if is_secret else input(prompt)
    except EOFError:
        raise Unusable("the input ended before all values were entered") from None
