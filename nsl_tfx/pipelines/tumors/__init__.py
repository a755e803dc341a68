"""Measurements of tumors in CSV files: a pipeline to be copied for a table, with Transform."""
