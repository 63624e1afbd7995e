"""What only Vertex AI has: the messages of `aiplatform` v1 that a request may hold, as they stand there.

Fields that only the service sets are left out; `tests/unit/api` holds both sides against each other. Nothing
is required by the models: laid over a `trainingInput` or a `predictionInput`, any part may stand alone. Which
fields go together is the business of the rules.
"""
