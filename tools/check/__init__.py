"""`./dev check`: try the credentials of a tenant before anything is created in Sekoia."""
