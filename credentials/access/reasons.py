"""Why calls, invitations and sign-ins are refused: all reason codes."""

import enum


class Reason(enum.StrEnum):
    """Every reason that is recorded, in alphabetical order. A value never changes its meaning."""

    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    ALGORITHM_NOT_ALLOWED = "algorithm_not_allowed"
    ALREADY_INVITED = "already_invited"
    ALREADY_MEMBER = "already_member"
    ASSERTION_AUDIENCE = "assertion_audience"
    ASSERTION_EXPIRED = "assertion_expired"
    ASSERTION_LONG_LIVED = "assertion_long_lived"
    ASSERTION_MALFORMED = "assertion_malformed"
    ASSERTION_NOT_YET_VALID = "assertion_not_yet_valid"
    ASSERTION_REPLAYED = "assertion_replayed"
    ASSERTION_SUBJECT = "assertion_subject"
    ASSERTION_TIMES = "assertion_times"
    ASSERTION_WITHOUT_JTI = "assertion_without_jti"
    CLIENT_REVOKED = "client_revoked"
    CLIENT_UNKNOWN = "client_unknown"
    EMAIL_NOT_VALID = "email_not_valid"
    IMPORTED_SECRET_NOT_TRIED = "imported_secret_not_tried"  # noqa: S105  # the name of a reason
    INSUFFICIENT_SCOPE = "insufficient_scope"
    INVALID_CLIENT = "invalid_client"
    INVALID_OPERATOR_TOKEN = "invalid_operator_token"  # noqa: S105  # the name of a reason
    INVITATION_ACCEPTED = "invitation_accepted"
    INVITATION_ANOTHER_PERSON = "invitation_another_person"
    INVITATION_EXPIRED = "invitation_expired"
    INVITATION_OVER = "invitation_over"
    INVITATION_REPLACED = "invitation_replaced"
    INVITATION_ROLE_GONE = "invitation_role_gone"
    INVITATION_UNKNOWN = "invitation_unknown"
    INVITATION_WITHDRAWN = "invitation_withdrawn"
    KEY_REFUSED = "key_refused"
    KEY_REVOKED = "key_revoked"
    KEY_SET_NOT_REGISTERED = "key_set_not_registered"
    KEY_SET_UNAVAILABLE = "key_set_unavailable"
    KEY_UNKNOWN = "key_unknown"
    LAST_MANAGER = "last_manager"
    MEMBER_GONE = "member_gone"
    NOT_MANAGING = "not_managing"
    ORGANIZATION_DENIED = "organization_denied"
    ORGANIZATION_WITHOUT_PROGRAM = "organization_without_program"
    OWN_ROLE = "own_role"
    ROLE_UNKNOWN = "role_unknown"
    SECRET_EXPIRED = "secret_expired"  # noqa: S105  # the name of a reason
    SECRET_REPLACED = "secret_replaced"  # noqa: S105  # the name of a reason
    SECRET_REVOKED = "secret_revoked"  # noqa: S105  # the name of a reason
    SIGNATURE_WRONG = "signature_wrong"
    SWITCHED_OFF = "switched_off"
    TOKEN_REVOKED = "token_revoked"  # noqa: S105  # the name of a reason
    TOO_MANY_CALLS = "too_many_calls"
    TOO_MANY_INVITATIONS = "too_many_invitations"
    TOO_MANY_TRIES = "too_many_tries"
    WRONG_CODE = "wrong_code"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105  # the name of a reason
