"""Training of the live network: data packing, losses, the training loop, export."""
