"""The labels that the operator gives a cloud job: their keys, which no spec may use."""

LABEL_LIMIT = 63
"""Characters of a label's key or value (documentation of labels)."""

UID_LABEL = "mljobs-uid"
NAMESPACE_LABEL = "mljobs-namespace"
NAME_LABEL = "mljobs-name"
ATTEMPT_LABEL = "mljobs-attempt"
OWNERSHIP_LABELS = frozenset({UID_LABEL, ATTEMPT_LABEL, NAMESPACE_LABEL, NAME_LABEL})
