"""The networks: speech and caption encoders, the motion network with its explicit state, checkpoints."""
