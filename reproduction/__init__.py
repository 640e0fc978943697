"""Does the commit make what dvc.lock says it makes? Nothing here is imported by a stage."""
