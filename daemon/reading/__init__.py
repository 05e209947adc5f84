"""From complete studies to readings.

assemble  when a study is complete (pure)
decode    a stored file -> radiograph, or the reason why not; sandbox: in a child process
sessions  ONNX Runtime: provider, golden input; pace: how fast; guard: what if the device fails
read      a job -> study reading
worker    what becomes of a job; pipeline: of several at once
"""
