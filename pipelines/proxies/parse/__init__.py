"""Every list format found in the wild, to candidates. Pure: a document in, items and refusals out."""
