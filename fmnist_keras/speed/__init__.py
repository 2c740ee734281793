"""What makes Keras faster here and changes no result: an optimizer, batches, and the loops of `layers`."""
