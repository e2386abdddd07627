"""What is stored: the checkpoint as a value, its encoding, and the file that holds it."""
