"""Export: a checkpoint -> a model package that the daemon runs without torch.

onnx    ``python -m export.onnx CHECKPOINT --out DIR``
graph   network and gradient as one ONNX graph with a dynamic batch
parity  the graph against PyTorch and pytorch-grad-cam; a package is written only when it passes
card    CARD.md from the checkpoint's own figures
"""
