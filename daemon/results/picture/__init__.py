"""Results as pictures: summary, annotated copies, heat maps, as Secondary Captures.

capture  the Secondary Capture; frame: a film as it is shown, with windowing and luts
sheet    text and shapes on pixels (pixel_data: how they are kept)
summary  one sheet for the study; annotate: a copy with outlines; heat: a copy with colour_map
markers  side markers, which nothing may cover
"""
