"""`./dev check --profile`: how a tenant's Audit API behaves where its documentation leaves it open."""
