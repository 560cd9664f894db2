"""Write ratings.csv, the data of recommender.json, beside this file: made up, so that the best possible score is known.

8,000 ratings by 200 users of 100 items. With three tastes p of each user and three traits q of each item,

    expected = 3 + how kind the user is + how good the item is + p · q
    rating   = expected + normal noise of the deviation 0.5

Ratings are neither rounded nor cut to stars, which would blur that. Nobody predicts `rating` better than `expected`.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

USERS, ITEMS, RATINGS, TASTES = 200, 100, 8000, 3

draw = np.random.Generator(np.random.PCG64(2024))
kindness, goodness = 0.4 * draw.standard_normal(USERS), 0.6 * draw.standard_normal(ITEMS)
tastes, traits = draw.standard_normal((USERS, TASTES)), 0.5 * draw.standard_normal((ITEMS, TASTES))
noise = 0.5 * draw.standard_normal(RATINGS)
users, items = np.divmod(draw.permutation(USERS * ITEMS)[:RATINGS], ITEMS)
expected = 3.0 + kindness[users] + goodness[items] + np.sum(tastes[users] * traits[items], axis=1)

with Path(__file__).with_name("ratings.csv").open("w", encoding="utf-8", newline="") as file:
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["user", "item", "rating", "expected"])
    for user, item, due, noisy in zip(users, items, expected, expected + noise, strict=True):
        table.writerow([f"user{user:03}", f"item{item:03}", f"{noisy:.3f}", f"{due:.3f}"])
