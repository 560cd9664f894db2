"""The contenders: a file each, with two functions.

`prepare(task)` gives the function that takes training steps on batches in memory (see task.Steps). `whole(task)` is the
program that a user would write: it reads the table, trains, saves, and prints its epochs as layerkit does. A contender
imports its library inside these functions.
"""
