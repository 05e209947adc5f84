"""Running networks: ONNX Runtime on the GPU, or on the CPU where there is none.

providers  which execution provider, with which settings
outputs    what graphs answer
sessions   a graph, loaded and proved by its golden input
binding    input and output, without copies where the device allows it
pace       how fast it is
opening    every graph of a package, each under its guard
guard      what happens if the device fails
"""
