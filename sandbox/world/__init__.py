"""The outside world of a connector: a CyberArk tenant, a Sekoia intake and platform, and the truth about both."""
