"""What one model does with an image.

prediction  what comes of it, and what every analysis can do
single      one network
committee   several networks, one mean
localised   landmarks, then a crop around them, then another analysis
by_view     another analysis for each view; and from a package to its analysis
"""
