"""What an application gives the engine: data, a loss, scores, prediction, live streams."""
