"""The simulation: synthetic people use the bank over HTTP, and checks compare all answers with the rules of a bank."""
