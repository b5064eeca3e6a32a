"""What must always be true of the books, and whether it is: `bank check`."""
