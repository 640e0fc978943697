"""Where images come from: an archive, Kaggle, Dataverse, ISIC. What is drawn: harmonic.sample."""
