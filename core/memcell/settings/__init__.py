"""What a run is told: its options, and the plugins that it is made of, as ``config.toml`` holds them."""
