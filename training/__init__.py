"""Training: radiographs with labels -> a checkpoint, and figures about it.

One program, ``python -m training.train --config RECIPE``, trains any network of
`model.networks.registry` on any task. Commands lie flat; each is thin over four rooms:

recipe   every knob, checked: sections, reading (``extends``, ``key=value``), help
data     films from manifests, folders and DICOM; splits; pictures; what is drawn and changed
run      the parts of a run: building, learner, losses, optimisers, processes, state, keeping
judging  what networks say of films: figures with intervals, calibration, gate, boxes, baselines

Commands: ``train``; ``curate`` (GRAZPEDWRI-DX -> split manifest); ``data`` (list, check, convert,
freeze); ``evaluate``, ``report``, ``infer``, ``maps``, ``pointing`` (of a checkpoint or package);
``tune`` (Optuna), ``ensemble`` (folds, members), ``compare`` (variants over seeds).
"""
