"""Sentences, few with a label: a pipeline to be copied for text, with a graph made of its words."""
