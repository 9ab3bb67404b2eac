"""Tables beside recordings: label tables, BIDS tables, and the times in them."""
