"""Export: a checkpoint -> a model package that the daemon runs without torch.

onnx            ``python -m export.onnx CHECKPOINT --out DIR``
chain           ``python -m export.chain FILE.json --out DIR``: packages as stages of one
options         its options, checked
trace           a checkpoint to a package, step by step
graph           network and gradient as one ONNX graph
decompositions  gradients that ONNX has no operator for
precision       the graph in fp16 or int8
convert         that, settled by the gate; a package in another precision
trial           which pictures a graph is tried on, and whether it passes
parity          answers compared: the graph's, PyTorch's, pytorch-grad-cam's
oracle          pytorch-grad-cam's maps
pictures        drawn, adversarial and real ones
task            the change of AUROC on real films
manifest        what the package says of itself
model_card      CARD.md from the checkpoint's own figures
card            CARD.md from a template
figures         figures as text
steps           what an export does now, for the person who waits
"""
