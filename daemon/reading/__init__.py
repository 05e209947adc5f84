"""From complete studies to readings.

meant     which images a model is meant for, by their headers (pure)
sandbox   opens stored objects in child processes (child); decoded: how an image comes out of one
decoding  a stored file -> radiograph, or the reason why not (refused); runs in the child
device    ONNX Runtime: provider, golden input, pace, and what happens if the device fails
analysis  what one model does with an image: one network, several, or a chain of them
reader    a job -> study reading; opened: in between
shelf     which models are loaded now, of those that are loaded on demand
worker    what becomes of a job; pipeline: of several at once; lack: what reading lacks now
"""
