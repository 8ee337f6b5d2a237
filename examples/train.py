"""Trains a model on a training set and says how good it is on the latest part of it.

    tollwatch training-set --labels labels.csv --input calls --out train.parquet
    python examples/train.py train.parquet

Needs pandas, pyarrow and scikit-learn. The column `label` is what is to be predicted, 0 or 1.
"""

import sys

import pandas
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, roc_auc_score

rows = pandas.read_parquet(sys.argv[1])
# A row that the archive does not reach up to lacks its newest calls.
rows = rows[rows["coverage"].isin(["whole", "begins_later"])].sort_values("time")

# Missing values stay missing: a mean of no calls is not 0. The trees of scikit-learn and LightGBM take them as such.
features = rows.filter(regex=r"^(caller|callee)_").astype("float64")
features = features.dropna(axis="columns", how="all")

# By time, never at random: tomorrow's calls must not teach what is asked of today's.
split = rows["time"].quantile(0.7)
train, test = rows["time"] <= split, rows["time"] > split

model = HistGradientBoostingClassifier(random_state=0)
model.fit(features[train], rows.loc[train, "label"])
scores = model.predict_proba(features[test])[:, 1]
truth = rows.loc[test, "label"]

print(f"{len(features.columns)} features, {train.sum()} rows to learn from, {test.sum()} to test on")
print(f"ROC AUC {roc_auc_score(truth, scores):.3f}, average precision {average_precision_score(truth, scores):.3f}")
