"""The judge: the evidence of a run, the oracle, and the possible states, with which the checks compare the answers."""
