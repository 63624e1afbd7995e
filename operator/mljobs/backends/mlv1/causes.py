"""Why a job of `ml` v1 has failed: it gives a text and no code."""

from mljobs.api.outputs import Cause
from mljobs.backends.google.causes import Row

ROWS = (
    Row(
        Cause.OUT_OF_MEMORY,
        r"ran out[- ]of[- ]memory and exited with a non-zero status of (?P<code>\d+)",
        "The replica master 0 ran out-of-memory and exited with a non-zero status of 9(SIGKILL)",
        "public issue tensorflow/models#5591",
    ),
    Row(
        Cause.USER_CODE,
        r"The replica [a-z]+ \d+ exited with a non-zero status of (?P<code>\d+)",
        "The replica master 0 exited with a non-zero status of 1. To find out more about why your job exited "
        "please check the logs: https://console.cloud.google.com/logs/viewer?project=…",
        "recorded traffic",
    ),
    Row(
        Cause.INFRASTRUCTURE,
        r"Internal error occurred for the current attempt",
        "Internal error occurred for the current attempt",
        "public code for ml-engine of 2018, which took it for a lack of machines",
    ),
)
"""The table, in the order in which it is read."""
