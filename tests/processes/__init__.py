"""What only real processes, sockets, TLS, files and signals show."""
