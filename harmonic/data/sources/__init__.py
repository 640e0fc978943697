"""Where images come from: the drawn sample, an archive, Kaggle, Dataverse, ISIC."""
