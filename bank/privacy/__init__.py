"""Privacy: the classification of data, and the rights of persons to what the bank stores about them."""
