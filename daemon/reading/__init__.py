"""From complete studies to readings.

assemble  when a study is complete (pure)
decode    a stored file -> radiograph, or the reason why not
sessions  ONNX Runtime: provider, golden input
read      a job -> study reading
worker    claims jobs, one turn at a time
"""
