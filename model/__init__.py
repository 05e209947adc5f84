"""What training, export and the daemon must agree on.

findings       the vocabulary: name, code, display, order
pixels         the pixel contract: radiograph -> network input, and the way back to source pixels
package        the model package: read, write, verify
landmarks      the package of a localiser
chain_package  a package of several networks, and what becomes of an image between them
composition    that, as functions: landmarks, crop (cropping), mean of members, fusion of views
tolerances     how far a graph may answer from its network
networks       [torch] one idea per file
gradcam        [torch] which layer, how the map is formed
checkpoint     [torch] weights that carry their configuration

All but the last three are numpy only, so that the daemon runs without torch.
"""
