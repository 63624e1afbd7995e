"""What can be wrong with a field, by itself: commands need it that need no CustomResourceDefinitions."""

from enum import StrEnum


class FieldErrorType(StrEnum):
    """What is wrong with a field, in the API server's words (`field.ErrorType` of apimachinery)."""

    REQUIRED = "FieldValueRequired"
    INVALID = "FieldValueInvalid"
    FORBIDDEN = "FieldValueForbidden"
    DUPLICATE = "FieldValueDuplicate"
