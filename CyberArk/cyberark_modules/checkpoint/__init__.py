"""What is stored: the checkpoint as a value, its encoding, and the place where its bytes are kept."""
