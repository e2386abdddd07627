"""What the platform has to give a connector, all checked before anything is tried, and all faults reported together.

Without this the SDK tries for a minute to fetch secrets from an address that it does not have, stops at the first of
two wrong forms, and shows Pydantic's own text.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from sekoia_automation.connector import Connector
from sekoia_automation.module import Module, ModuleItem
from sekoia_automation.utils import get_annotation_for

ACCOUNT = Module.MODULE_CONFIGURATION_FILE_NAME
CONNECTOR = Connector.CONNECTOR_CONFIGURATION_FILE_NAME
_ADDRESSES = {
    ModuleItem.TOKEN_FILE_NAME: "the token for the platform's own endpoints",
    ModuleItem.CALLBACK_URL_FILE_NAME: "the address of the platform's callback endpoint",
    ModuleItem.INTAKE_URL_FILE_NAME: "the address of the intakes",
}
_HOW = (
    "The platform provides each of them as an environment variable of that name, or under /symphony as a file of that "
    "name in lower case."
)


def configuration_faults(module: Module, connector: type[Connector]) -> str:
    """Return everything that is missing or wrong, and how to correct it, in one text; empty when nothing is.

    It repeats no value: that may be a secret, or hold one.
    """
    account, account_fault = _load(module, ACCOUNT)
    configuration, connector_fault = _load(module, CONNECTOR)
    missing = [
        f"{ACCOUNT.upper()}: {account_fault}" if account_fault else "",
        f"{CONNECTOR.upper()}: {connector_fault}" if connector_fault else "",
        *(f"{name.upper()}: {what} is missing." for name, what in _missing_addresses(module, configuration)),
    ]
    blocks = [
        _block("Missing", list(filter(None, missing)), _HOW),
        _block("Account", list(field_faults(get_annotation_for(type(module), "configuration"), account))),
        _block("Connector", list(field_faults(get_annotation_for(connector, "configuration"), configuration))),
    ]
    faults = "\n".join(filter(None, blocks))
    return f"The connector cannot start.\n{faults}" if faults else ""


def can_log(module: Module) -> bool:
    """Return whether the platform can be told: it has given a token, and an address for log lines."""
    addresses = (ModuleItem.LOGS_URL_FILE_NAME, ModuleItem.CALLBACK_URL_FILE_NAME)
    return _has(module, ModuleItem.TOKEN_FILE_NAME) and any(_has(module, name) for name in addresses)


def _load(module: Module, name: str) -> tuple[dict[str, Any] | None, str]:
    """Return the values of a form, or what is wrong with them as a whole."""
    what = "the fields of the account's form" if name == ACCOUNT else "the fields of the connector's form"
    try:
        content = module.load_config(name, "json", non_exist_ok=True)
    except ValueError:  # of the JSON, or of the Base64 that the SDK also takes
        return None, f"{what} are not valid JSON."
    if content is None:
        return None, f"{what} are missing."
    return (content, "") if isinstance(content, dict) else (None, f"{what} are not a JSON object.")


def _missing_addresses(module: Module, configuration: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    for name, what in _ADDRESSES.items():
        if _has(module, name):
            continue
        if name == ModuleItem.CALLBACK_URL_FILE_NAME and all(
            _has(module, other) for other in (ModuleItem.LOGS_URL_FILE_NAME, ModuleItem.SECRETS_URL_FILE_NAME)
        ):
            continue
        if name == ModuleItem.INTAKE_URL_FILE_NAME and configuration and configuration.get("intake_server"):
            continue
        yield name, what


def _has(module: Module, name: str) -> bool:
    return module.load_config(name, non_exist_ok=True) is not None


def field_faults(model: type[BaseModel] | None, values: dict[str, Any] | None) -> Iterator[str]:
    """Yield a sentence for each field that is wrong, by the title that the form gives it."""
    if model is None or values is None:
        return
    try:
        model.model_validate(values)
    except ValidationError as refused:
        for error in refused.errors(include_input=False):
            name = str(error["loc"][0]) if error["loc"] else ""
            field = model.model_fields.get(name)
            yield f"“{(field and field.title) or name}”: {_sentence(error)}"


def _sentence(error: ErrorDetails) -> str:
    # Only our own sentences come without an address of Pydantic's pages.
    if "url" not in error:
        return error["msg"]
    limits = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return "It is missing."
        case "greater_than_equal":
            return f"It must be at least {limits['ge']}."
        case "less_than_equal":
            return f"It must be at most {limits['le']}."
        case kind if kind.startswith("int_"):
            return "It must be a whole number."
    return "The value has the wrong type."


def _block(title: str, lines: list[str], note: str = "") -> str:
    if not lines:
        return ""
    return "\n".join([f"{title}:", *(f"  {line}" for line in lines), *([f"  {note}"] if note else [])])
