"""Labels of a recording: reading them, what their words mean, on which clock they run."""
