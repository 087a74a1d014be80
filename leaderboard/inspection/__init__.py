"""Looking into results: where one loses, and two beside each other."""
