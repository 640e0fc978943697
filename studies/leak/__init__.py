"""The leak, measured: siblings of the test lesions in training, or as many other photographs.

Both arms answer the same test images after training on as many images of each class and as many
lesions (design.py), from the same seeds.
"""
