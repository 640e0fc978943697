"""Experiments in numbers: what is compared with what, the runs, and the pages made of them.

A study is a preset or more (what its arms change in params.yaml), or a module whose `runs` plans
its runs from the options that studies/commands/training.py lists for it; and a page. A finished run
is one folder below results/runs; pages and tables are derived from the folders, never added to.

    python -m studies run small --archive ZIP    # one folder for each run, none done twice
    python -m studies pages                      # every page of results/ anew
    python -m studies table                      # all runs as one CSV table
"""
