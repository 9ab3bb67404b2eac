"""Who is trained on, validated and tested; and what would leak between them."""
