"""Faults and API variants by name: the one list that the demo and the tests draw from."""
