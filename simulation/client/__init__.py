"""The bank's client: requests as the contract has them, answers read strictly."""
