"""From a traced graph to a schedule of values: lowering, what is saved, where it lies, in which pass."""
