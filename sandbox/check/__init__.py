"""`./dev check`: the set-up of a tenant tried link by link, before anything is created in Sekoia."""
