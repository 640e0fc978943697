"""Training: batches, augmentation, the loop, checkpoints, model files."""
