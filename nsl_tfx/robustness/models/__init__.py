"""From whatever is called a model to a function of features that can be attacked."""
