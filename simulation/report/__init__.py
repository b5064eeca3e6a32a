"""What a run leaves for people and for gates: a table in the terminal, one page, JSON and JUnit."""
