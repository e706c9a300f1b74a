"""The figures that the project promises, measured as ratios or differences within one run: `make bench`.

A module here has `figures()`, a generator of `Figure`; the list of modules is in `__main__`. A figure that is missed
is shown as missed and fails nothing: a busy machine is no defect, and a figure is for people to read.
"""
