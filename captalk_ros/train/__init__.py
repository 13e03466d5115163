"""Training: synthetic speech, the performer that acts it, data sets, fitting and judging."""
