"""The services over TLS on loopback, and what every request goes through on the way to them."""
