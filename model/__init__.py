"""What training, export and the daemon must agree on.

findings  the vocabulary: name, code, display, order
pixels    the pixel contract: radiograph -> network input, and the way back to source pixels
package   the model package: read, write, verify
networks  [torch] one idea per file
gradcam   [torch] which layer, how the map is formed
checkpoint [torch] weights that carry their configuration

The first three are numpy only, so that the daemon runs without torch.
"""
