"""The client of the bank: requests in the form of the contract, and strict parsing of the answers."""
