"""Films: which there are, how they become pictures, which are drawn, how they are changed."""
