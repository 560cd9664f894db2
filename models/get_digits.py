"""Write digits.npz, the data of digits.json, beside this file: needs scikit-learn, and no network.

x is (1797, 64), the ink of each pixel of an 8 × 8 image from 0 to 1; y is the digit.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

images, digits = load_digits(return_X_y=True)
np.savez_compressed(Path(__file__).with_name("digits.npz"), x=(images / 16).astype(np.float32), y=digits)
