"""The two forms of the platform as models, and the cleaning of what people paste into them."""

from .models import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration

__all__ = ["CyberArkAuditLogsConfiguration", "CyberArkModuleConfiguration"]
