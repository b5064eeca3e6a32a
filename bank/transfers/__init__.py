"""Transfers and deposits: submit them once, and read an account's history."""
