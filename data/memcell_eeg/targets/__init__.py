"""An expert's intervals to a target of each step."""
