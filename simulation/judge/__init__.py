"""The judge: responses to people, the state of the database, and what the oracle concludes from them."""
