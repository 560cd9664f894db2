"""The engines: where the passes run."""
