"""What ``memcell data check`` finds in files: labels, samples, headers."""
