"""What models do with examples, part by part: in this process or on Beam's workers."""
