"""The families of plain classifiers: each says only what is particular to it.

seresnet  DeepWrist's fracture classifier
chest     ResNet18, VGG16, DenseNet121 of the chest system
regnet    the bone abnormality system's: one-channel stem, head of three layers
vit       a vision transformer
pooled    any other network of timm or torchvision
"""
