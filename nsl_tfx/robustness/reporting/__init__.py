"""What a person sees: the report, plots, a summary, and the files that they lie in."""
