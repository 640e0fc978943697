"""The leak, measured: siblings of the test lesions in training, or as many other photographs."""
