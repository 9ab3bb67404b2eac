"""The intermediate representation: nodes over rows and columns, programs, weights."""
