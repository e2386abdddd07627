"""Checking both forms before anything starts: one text that says everything that is missing or wrong.

The SDK tries for a minute to fetch secrets from an address that it does not have, stops at the first of two wrong
forms, and shows Pydantic's own text.
"""

from typing import Any

from sekoia_automation.connector import Connector
from sekoia_automation.module import Module, ModuleItem
from sekoia_automation.utils import get_annotation_for

from ..configuration.fields import field_faults

_LOGS = (ModuleItem.LOGS_URL_FILE_NAME, ModuleItem.CALLBACK_URL_FILE_NAME)
_SECRETS = (ModuleItem.SECRETS_URL_FILE_NAME, ModuleItem.CALLBACK_URL_FILE_NAME)
_MISSING = "the platform did not provide this environment variable."


def faults_of_forms(module: Module, connector: type[Connector]) -> str:
    """Return everything that is missing or wrong; empty when nothing is. No value is repeated: it may be a secret."""
    # As the SDK does it (connector/__init__.py:58): a connector may be configured as a trigger.
    names = (Connector.CONNECTOR_CONFIGURATION_FILE_NAME, Connector.TRIGGER_CONFIGURATION_FILE_NAME)
    name = names[1] if not _has(module, names[0]) and _has(module, names[1]) else names[0]
    account = _load(module, Module.MODULE_CONFIGURATION_FILE_NAME)
    form = _load(module, name)
    intake = () if isinstance(form, dict) and form.get("intake_server") else (ModuleItem.INTAKE_URL_FILE_NAME,)
    needed = [(ModuleItem.TOKEN_FILE_NAME,), _LOGS, _SECRETS, intake]
    missing = dict.fromkeys(any_of[-1] for any_of in needed if any_of and not _has(module, *any_of))
    lines = [
        *_faults("Account", Module.MODULE_CONFIGURATION_FILE_NAME, type(module), account),
        *_faults("Connector", name, connector, form),
        *(f"{name.upper()}: {_MISSING}" for name in missing),
    ]
    return "\n".join(["The connector cannot start.", *lines]) if lines else ""


def can_log(module: Module) -> bool:
    """Return whether log lines can be sent: the platform has given a token, and an address for them."""
    return _has(module, ModuleItem.TOKEN_FILE_NAME) and _has(module, *_LOGS)


def _faults(title: str, name: str, owner: type, values: dict[str, Any] | str) -> list[str]:
    if isinstance(values, str):
        return [f"{name.upper()}: {values}"]
    model = get_annotation_for(owner, "configuration")
    return [f"{title}, {fault}" for fault in field_faults(model, values)] if model is not None else []


def _load(module: Module, name: str) -> dict[str, Any] | str:
    """Return the values of a form, or what is wrong with it as a whole."""
    try:
        content = module.load_config(name, "json", non_exist_ok=True)
    except ValueError:  # of the JSON, or of the Base64 that the SDK also takes
        return "the fields of the form are not valid JSON."
    return content if isinstance(content, dict) else "the form is not a JSON object." if content else _MISSING


def _has(module: Module, *names: str) -> bool:
    return any(module.load_config(name, non_exist_ok=True) is not None for name in names)
