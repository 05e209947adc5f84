"""The model packages that ship with wristd, one folder each."""
