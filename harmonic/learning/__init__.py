"""Training: batches, augmentation, the loop, checkpoints; from a plan to a model file (`fit`)."""
