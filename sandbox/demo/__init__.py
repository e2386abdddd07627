"""The demo: the real connector between a tenant and a platform that are both simulated on this machine."""
