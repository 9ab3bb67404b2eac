"""From probabilities to decisions: costs, thresholds, intercepts."""
