"""CyberArk for Sekoia: the audit events of a CyberArk tenant, forwarded to a Sekoia intake."""

from sekoia_automation.module import Module

from .configuration import CyberArkModuleConfiguration
from .sdk.process import install_filters


class CyberArkModule(Module):
    """The module: a CyberArk tenant, and the service user that reads its audit events."""

    configuration: CyberArkModuleConfiguration  # type: ignore[override]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        install_filters()

    def manifest_required_properties(self) -> list[str]:
        """Return what the stored configuration must hold: not the secrets, which the SDK brings after it is read."""
        secrets = set(self.manifest_secrets())
        return [name for name in super().manifest_required_properties() if name not in secrets]
