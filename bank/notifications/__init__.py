"""Messages to people about what happened: their templates, and the texts that are made of them."""
