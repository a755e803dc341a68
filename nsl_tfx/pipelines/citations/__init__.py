"""Papers that cite each other, few with a label: a pipeline to be copied for an explicit graph."""
