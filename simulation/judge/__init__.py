"""The judge: responses to people, facts of the database, and what the oracle concludes from them."""
