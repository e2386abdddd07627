"""A CyberArk tenant: its Identity service, its Audit API, and the events that it holds."""
