"""Seconds of scikit-learn's logistic regression on all folds, on random features of the encoder's width."""
import time

import numpy
from models import answer, arguments
from sklearn.linear_model import LogisticRegression

given = arguments()
random = numpy.random.default_rng(0)
labels = numpy.arange(given["clips"]) % given["classes"]
centres = random.normal(size=(given["classes"], given["width"]))
features = (centres[labels] + 3 * random.normal(size=(given["clips"], given["width"]))).astype(numpy.float32)
fold = numpy.arange(given["clips"]) // given["classes"] % given["folds"]
start = time.perf_counter()
for number in range(given["folds"]):
    model = LogisticRegression(max_iter=1000).fit(features[fold != number], labels[fold != number])
    model.predict_proba(features[fold == number])
answer(seconds=time.perf_counter() - start)
