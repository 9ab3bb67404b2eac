"""Label files as a person handles them: converted, compared, corrected."""
