"""What finds a pipeline by its file or module, and what runs or compiles it."""
