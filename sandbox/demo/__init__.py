"""`./dev demo`: the real connector between the tenant and the platform, in front of a person."""
