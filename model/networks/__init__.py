"""Networks in torch, one idea per file.

torchvision_operators  lets a CPU-only torch import torchvision, hence timm
backbone    timm backbones that hand out four grids of features, the *nodes*
pyramid     top-down feature pyramid over the nodes, as tokens, and its token classifiers
selector    keeps the most confident tokens of each node
combiner    fuses the selected tokens with a learned graph into one answer
pim         the four together: the plug-in module (Chou et al. 2022)
classifier  a body of timm or torchvision and a head: what the next four families share
seresnet    DeepWrist's fracture classifier
chest       ResNet18, VGG16, DenseNet121 of the chest system
regnet      the bone abnormality system's: one-channel stem, head of three layers
vit         a vision transformer
hourglass   DeepWrist's landmark localiser
registry    every network by its kind
parts       the parts of a body from the input on
pretrained  initial weights of a backbone from a file
published   weights of the published checkpoints, by their names
metadata    age and sex beside the picture
"""
