"""The pictures of a comparison; each module draws one kind."""
