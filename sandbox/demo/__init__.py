"""The demo: the real connector between a tenant and a platform that are both played on this machine."""
