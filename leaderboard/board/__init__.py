"""All records compiled to one file, and where each method stands in it."""
