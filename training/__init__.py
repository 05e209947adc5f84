"""Training: radiographs under a data root -> a checkpoint.

train     ``python -m training.train --config RECIPE [key=value ...]``, the order of events
config    the recipe: every knob, checked
data      films, splits, hashes, pixels in memory
sampling  which films a batch holds
augment   random geometry and exposure
losses    the PIM losses, and hints from fracture boxes
schedule  learning rate over the steps
gate      body-part gate on the frozen features
calibrate temperature and operating points
evaluate  figures with intervals; ``python -m training.evaluate CHECKPOINT data.root=...``
baselines what simple methods reach on the same films

Any films, any network (recipes with ``trainer: split``), in the order of use:

curate    GRAZPEDWRI-DX -> split manifest; ``python -m training.curate``
examples  films from a manifest or the published folders, and what is refused
splits    patients to one side only, with hashes
geometry  letterbox, or the paper's 510 to 384
plan      the recipe of such a run, checked
supply    its films, checked and loaded
order     which films each pass takes
changes   random changes, mixup, cutmix, RandAugment
optimisers, precision, ranks, states, keep, tracking, curves, progress, provenance   parts of a run
learn     the run itself
answers, metrics, highest, decision, reporting, subject, assess   what `evaluate` does with it
heat, pointing   maps, and whether they point at fractures
infer     a folder of films -> a table
tune      search with Optuna
ensemble  several networks, folds
compare   variants of a plan over seeds
"""
