"""What the platform has to give a connector before it can start, checked before anything is tried."""

from sekoia_automation.module import Module, ModuleItem

_CONNECTOR = "connector_configuration"
_NEEDED = {
    Module.MODULE_CONFIGURATION_FILE_NAME: "the account: the fields of the module's form, as JSON",
    _CONNECTOR: "the connector: the fields of its form, as JSON",
    ModuleItem.TOKEN_FILE_NAME: "the token for the platform's own endpoints",
    ModuleItem.CALLBACK_URL_FILE_NAME: "the address of the platform's callback endpoint",
    ModuleItem.INTAKE_URL_FILE_NAME: "the address of the intakes",
}


def missing_configuration(module: Module) -> str:
    """Return what is missing and how to give it, empty when nothing is.

    Without this the SDK tries for a minute to fetch secrets from an address that it does not have.
    """

    def has(name: str) -> bool:
        return module.load_config(name, non_exist_ok=True) is not None

    missing = [name for name in _NEEDED if not has(name)]
    if has(ModuleItem.LOGS_URL_FILE_NAME) and has(ModuleItem.SECRETS_URL_FILE_NAME):
        missing = [name for name in missing if name != ModuleItem.CALLBACK_URL_FILE_NAME]
    configuration = module.load_config(_CONNECTOR, "json", non_exist_ok=True)
    if isinstance(configuration, dict) and configuration.get("intake_server"):
        missing = [name for name in missing if name != ModuleItem.INTAKE_URL_FILE_NAME]
    if not missing:
        return ""
    lines = [f"  {name.upper():<25} {_NEEDED[name]}" for name in missing]
    return (
        "Missing configuration:\n"
        + "\n".join(lines)
        + (
            "\nThe platform gives each as an environment variable of that name, or as a file of that name, in small "
            "letters, under /symphony."
        )
    )
