"""What makes training fast on a CPU, and changes no result: batches and Adam."""
