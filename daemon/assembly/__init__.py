"""From images that have come to jobs: when a study is complete, who reads it, how urgent it is.

complete  when, by a stopwatch (pure)
routing   which models, by what the headers state (pure)
sweep     the turn: complete studies become jobs, one for each model
"""
