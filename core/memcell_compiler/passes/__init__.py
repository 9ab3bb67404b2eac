"""From a traced graph to a schedule: lowering, gradients, what is kept, in which order."""
