"""What the bank says about itself while people bank."""
