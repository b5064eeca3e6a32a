"""The attackers: one attack in each file, executed while people use the bank."""
