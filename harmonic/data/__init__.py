"""From a source of images to arrays with labels: verification, lesions, the split."""
