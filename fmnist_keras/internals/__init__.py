"""What the seven files stand on: where data is found, strict YAML, and what makes Keras faster on a CPU."""
