"""All settings, read from the environment by django-environ; docs/settings.md says what each is for.

Without DATABASE_URL Claimsgate runs embedded: its own PostgreSQL and Valkey under `var/`, for a laptop, a demo, the
tests. Nothing secret has a default outside that mode.
"""

import datetime as dt
import tempfile
from pathlib import Path

import django_stubs_ext
import environ
from csp.constants import NONE, SELF

from credentials import lifetimes
from portal.laptop.embedded import Embedded

BASE_DIR = Path(__file__).resolve().parent.parent
CLAIMSGATE_VERSION = "0.1.0"

env = environ.Env()

# Makes Django's generic classes subscriptable, as their types require.
django_stubs_ext.monkeypatch()

# --- Where it runs --------------------------------------------------------------------------------------------------

DATABASE_URL = env.str("DATABASE_URL", default="")
BROKER_URL = env.str("CELERY_BROKER_URL", default="")
EMBEDDED = env.bool("CLAIMSGATE_EMBEDDED", default=not DATABASE_URL)
DATA_DIR = Path(env.str("CLAIMSGATE_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
SERVICES = Embedded(DATA_DIR, postgres=EMBEDDED and not DATABASE_URL, valkey=EMBEDDED and not BROKER_URL)

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or (SERVICES.secret_key() if EMBEDDED else "")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if EMBEDDED else [])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# The networks of the reverse proxies. If empty, the peer of the connection is the client.
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])

# Loopback calls are allowed only in embedded mode, and only for its sandbox organizations.
ALLOW_LOOPBACK_FOR_SANDBOX = EMBEDDED

# Whether the program TEST is there, whose organizations are TEST001 to TEST999. A server with real claims needs none.
TEST_PROGRAM = env.bool("TEST_PROGRAM", default=EMBEDDED)

# --- Applications ---------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "portal.apps.PortalConfig",
    "exports.apps.ExportsConfig",
    "attribution.apps.AttributionConfig",
    "credentials.apps.CredentialsConfig",
    "oauth2_provider",
    "rest_framework",
    "csp",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "django.contrib.postgres",
    "django.forms",  # the templates of fields that ours do not replace
    "portal.apps.AdministrationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    *env.list("EXTRA_APPS", default=[]),
]

MIDDLEWARE = [
    "credentials.access.middleware.RequestIdMiddleware",
    "portal.middleware.OwnMediaTypeMiddleware",
    "credentials.access.middleware.ClientAddressMiddleware",
    "portal.outages.OutagesMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "portal.middleware.SessionLimitsMiddleware",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
APPEND_SLASH = False  # the paths of the API are exact

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
# The portal's form templates are with the other templates, in templates/components.
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# --- PostgreSQL -----------------------------------------------------------------------------------------------------

DATABASES = {"default": env.db_url("DATABASE_URL") if DATABASE_URL else SERVICES.database()}
DATABASES["default"] |= {
    "ENGINE": "portal.postgresql",  # Django's, but no unreadable time in a row raises
    # Nothing here may need a database session after its transaction: PgBouncer may give it to others.
    "DISABLE_SERVER_SIDE_CURSORS": True,
    "OPTIONS": {
        # A dead machine sends nothing. After these seconds and milliseconds, it counts as dead.
        "connect_timeout": 5,
        "tcp_user_timeout": 15_000,
        **DATABASES["default"].get("OPTIONS", {}),
    },
}
# Connections per server process; see docs/decisions/0009. A call that gets none in time is answered with 503.
DATABASE_POOL_SIZE = env.int("DATABASE_POOL_SIZE", default=16)
DATABASE_POOL_WAIT_SECONDS = env.float("DATABASE_POOL_WAIT_SECONDS", default=3)
DATABASE_POOL = {
    "min_size": 1,
    "max_size": DATABASE_POOL_SIZE,
    "timeout": DATABASE_POOL_WAIT_SECONDS,
    "reconnect_timeout": DATABASE_POOL_WAIT_SECONDS,
    # After this many seconds in which one wasn't needed, one is closed.
    "max_idle": 3,
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Broker, worker and cache ---------------------------------------------------------------------------------------

CELERY_BROKER_URL = SERVICES.valkey_url("redis+socket") if SERVICES.has_valkey else BROKER_URL
CELERY_TASK_IGNORE_RESULT = True  # the truth about a job is in PostgreSQL
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Writing a file may take minutes, so other tasks have their own queue and workers. A worker started without --queues
# takes from both.
WRITING_QUEUE = "writing"
CELERY_TASK_QUEUES = {name: {"exchange": name, "routing_key": name} for name in ("celery", WRITING_QUEUE)}
CELERY_TASK_ROUTES = {"exports.tasks.write": {"queue": WRITING_QUEUE}}
# A kick-off must not wait for an unavailable broker: recovery sends the message again.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 2, "interval_start": 0.1, "interval_step": 0.2}
# A task that takes longer is interrupted; 1 minute later, its process is killed.
CELERY_TASK_SOFT_TIME_LIMIT = 60 * env.int("EXPORT_TASK_MINUTES", default=60)
CELERY_TASK_TIME_LIMIT = CELERY_TASK_SOFT_TIME_LIMIT + 60
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Beat's schedule file. Its own default is the current folder.
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    # Messages don't expire: a worker with a fast clock would drop them.
    "discard old previews": {"task": "attribution.tasks.discard_old_previews", "schedule": dt.timedelta(hours=1)},
    "recover exports": {"task": "exports.tasks.recover", "schedule": dt.timedelta(seconds=5)},
    "expire exports": {"task": "exports.tasks.expire", "schedule": dt.timedelta(minutes=1)},
    "compact claims": {"task": "exports.tasks.compact", "schedule": dt.timedelta(hours=24)},
    "forget ended tokens": {"task": "credentials.tasks.forget_ended_tokens", "schedule": dt.timedelta(hours=1)},
    "forget expired invitations": {
        "task": "credentials.tasks.forget_expired_invitations",
        "schedule": dt.timedelta(hours=1),
    },
    "write reminders": {"task": "credentials.tasks.write_reminders", "schedule": dt.timedelta(hours=1)},
    "send mail": {"task": "portal.tasks.send_notices", "schedule": dt.timedelta(minutes=1)},
    "write down refusals": {"task": "credentials.tasks.write_down_refusals", "schedule": dt.timedelta(minutes=1)},
    "forget ended sessions": {"task": "portal.tasks.forget_ended_sessions", "schedule": dt.timedelta(hours=1)},
}

SHARED_CACHE = env.cache_url("CACHE_URL", default="locmemcache://")
if SHARED_CACHE["BACKEND"].endswith(".DatabaseCache"):
    # The default is 300, and a full cache drops entries that are still needed, such as new secrets.
    SHARED_CACHE["OPTIONS"] = {"MAX_ENTRIES": 100_000, **SHARED_CACHE.get("OPTIONS", {})}
CACHES = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": SERVICES.valkey_url("unix")}
        if SERVICES.has_valkey
        else SHARED_CACHE
    )
}

# --- Rosters --------------------------------------------------------------------------------------------------------

# After how many days exports no longer use a roster; 0 for never. See attribution/staleness.py.
ROSTER_DAYS = env.int("ROSTER_DAYS", default=0 if EMBEDDED else 50)
RUNOUT_DAYS = env.int("RUNOUT_DAYS", default=0 if EMBEDDED else 180)
# Which performance year a roster in use can have, by the code of the program; * for the others.
ROSTER_YEARS = env.dict("ROSTER_YEARS", default={"*": "any" if EMBEDDED else "strict"})
# If so many beneficiaries join or leave, publishing takes a second approval: this part of the previous roster (and so
# many), or so many in all.
ROSTER_SWING_PERCENT = env.int("ROSTER_SWING_PERCENT", default=15)
ROSTER_SWING_AT_LEAST = env.int("ROSTER_SWING_AT_LEAST", default=10)
ROSTER_SWING_COUNT = env.int("ROSTER_SWING_COUNT", default=1000)
ROSTER_PREVIEW_LIFETIME = dt.timedelta(days=env.int("ROSTER_PREVIEW_DAYS", default=14))

# --- Exports --------------------------------------------------------------------------------------------------------

EXPORT_LIFETIME = dt.timedelta(hours=env.int("EXPORT_LIFETIME_HOURS", default=24))
EXPORT_FILE_BYTES = env.int("EXPORT_FILE_BYTES", default=2**30)  # of NDJSON, before compression
EXPORT_SOURCE = env("EXPORT_SOURCE", default="store")  # of new jobs: a name in exports.sources.SOURCES
OPT_OUT_LOOKBACK_DAYS = env.int("OPT_OUT_LOOKBACK_DAYS", default=60)  # 0: a preference counts for ever
OPT_OUTS_CHECKED_AT_DOWNLOAD = env.bool("OPT_OUTS_CHECKED_AT_DOWNLOAD", default=False)
EXPORT_WORKERS_PER_ORGANIZATION = env.int("EXPORT_WORKERS_PER_ORGANIZATION", default=2)
# How long before another worker takes the shard of a silent worker; how long before an unanswered planning message is
# sent again, and before a failed file is retried.
EXPORT_LEASE = dt.timedelta(seconds=env.int("EXPORT_LEASE_SECONDS", default=15))
EXPORT_MESSAGE_PATIENCE = dt.timedelta(seconds=env.int("EXPORT_MESSAGE_PATIENCE_SECONDS", default=30))
EXPORT_ATTEMPTS = env.int("EXPORT_ATTEMPTS", default=5)
EXPORT_DEADLINE = dt.timedelta(hours=env.int("EXPORT_DEADLINE_HOURS", default=24))
CLAIMS_UNDO = dt.timedelta(days=env.int("CLAIMS_UNDO_DAYS", default=14))

# Export files: on a disk that all servers and workers share, or on S3 if a bucket is set.
EXPORTS_S3_BUCKET = env.str("EXPORTS_S3_BUCKET", default="")
EXPORTS_ON_DISK = {
    "BACKEND": "exports.storage.local.LocalFiles",
    "OPTIONS": {
        "location": env.str("EXPORTS_DIR", default=str(DATA_DIR / "exports")),
        "x_accel_prefix": env.str("EXPORTS_X_ACCEL_PREFIX", default=""),
    },
}
EXPORTS_ON_S3 = {
    "BACKEND": "exports.storage.s3.S3Files",
    "OPTIONS": {
        "bucket_name": EXPORTS_S3_BUCKET,
        "location": env.str("EXPORTS_S3_PREFIX", default="").strip("/"),
        "endpoint_url": env.str("EXPORTS_S3_ENDPOINT_URL", default="") or None,
        "region_name": env.str("EXPORTS_S3_REGION", default="") or None,
        "encryption": env.str("EXPORTS_S3_ENCRYPTION", default=""),
        "kms_key_id": env.str("EXPORTS_S3_KMS_KEY_ID", default=""),
        "redirect_seconds": env.int("EXPORTS_S3_REDIRECT_SECONDS", default=0),
    },
}

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": DATA_DIR / "media"}},
    "exports": EXPORTS_ON_S3 if EXPORTS_S3_BUCKET else EXPORTS_ON_DISK,
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if EMBEDDED
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}

# --- Users, sessions, tokens ----------------------------------------------------------------------------------------

AUTH_USER_MODEL = "credentials.User"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "portal:organizations"
LOGOUT_REDIRECT_URL = "account_login"
# Passwords must be long, and not common or similar to the user's name. No composition rules (NIST SP 800-63B).
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 15},
    },
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["email", "name"]},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_RESET_TIMEOUT = int(lifetimes.PASSWORD_LINK.total_seconds())

SESSION_ENGINE = "portal.sign_in.sealed_sessions"
# When an idle session ends, and when any session ends.
SESSION_IDLE = dt.timedelta(minutes=env.int("SESSION_IDLE_MINUTES", default=30))
SESSION_AT_MOST = dt.timedelta(hours=env.int("SESSION_HOURS", default=12))
SESSION_COOKIE_AGE = int(SESSION_AT_MOST.total_seconds())
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
# How long after confirming their identity a user can see secrets and change API credentials.
PROOF_LIFETIME = dt.timedelta(minutes=env.int("PROOF_MINUTES", default=10))
OPERATORS_NEED_SECOND_FACTOR = env.bool("OPERATORS_NEED_SECOND_FACTOR", default=not EMBEDDED)

ACCOUNT_ADAPTER = "portal.sign_in.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_ENABLED = False  # users are invited
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]  # nobody signs up, but sign-in needs these two
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "http" if EMBEDDED else "https"
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = lifetimes.CONFIRMATION_LINK.days
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True  # only in the browser that waits for it
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Claimsgate: "
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = int(PROOF_LIFETIME.total_seconds())
# No codes by email: an attacker at an open session may also have the open mailbox.
ACCOUNT_REAUTHENTICATION_METHODS = ["password", "mfa"]
# Passwords are limited by portal/sign_in/attempts.py; "login_failed" limits codes in the verification step.
ACCOUNT_RATE_LIMITS = {
    "login": "60/m/ip",
    "login_failed": "30/m/ip,5/5m/key,50/d/key",
    "reset_password": "20/m/ip,4/h/key",
    "reauthenticate": "10/m/user",
    "change_password": "5/m/user",
    "confirm_email": "1/3m/key",
}
ACCOUNT_FORMS = {
    "login": "portal.pages.account.signing_in.forms.SignInForm",
    "reauthenticate": "portal.pages.account.signing_in.forms.PasswordAgainForm",
    "reset_password": "portal.pages.account.passwords.forms.ForgottenPasswordForm",
    "change_password": "portal.pages.account.passwords.forms.ChangePasswordForm",
    "set_password": "portal.pages.account.passwords.forms.FirstPasswordForm",
}
MFA_ADAPTER = "portal.sign_in.adapters.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = "Claimsgate"
MFA_TOTP_TOLERANCE = 1  # clocks differ by up to half a minute
MFA_FORMS = {
    "authenticate": "portal.pages.account.verification.forms.CodeForm",
    "reauthenticate": "portal.pages.account.verification.forms.CodeAgainForm",
    "authenticate_webauthn": "portal.pages.account.verification.forms.PasskeyForm",
    "reauthenticate_webauthn": "portal.pages.account.verification.forms.PasskeyAgainForm",
    "login_webauthn": "portal.pages.account.verification.forms.PasskeySignInForm",
    "activate_totp": "portal.pages.account.verification.forms.NewAppForm",
    "deactivate_totp": "portal.pages.account.verification.forms.RemoveAppForm",
    "add_webauthn": "portal.pages.account.verification.forms.NewPasskeyForm",
    "edit_webauthn": "portal.pages.account.verification.forms.PasskeyNameForm",
    "generate_recovery_codes": "portal.pages.account.verification.forms.NewRecoveryCodesForm",
}
# OpenID Connect: users whose email address is verified by the provider can sign in with it.
OPENID_PROVIDERS = env.json("OPENID_PROVIDERS", default=[])
SOCIALACCOUNT_ADAPTER = "portal.sign_in.adapters.ProviderAdapter"
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"  # the provider must have verified it
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "provider_class": "portal.sign_in.openid_connect.OpenIdProvider",
        "APPS": [
            {
                "provider_id": provider.get("id", ""),
                "name": provider.get("name", ""),
                "client_id": provider.get("client_id", ""),
                "secret": provider.get("client_secret", ""),
                "settings": {**provider, "server_url": provider.get("issuer", "").rstrip("/")},
            }
            for provider in OPENID_PROVIDERS
        ],
    }
}

OAUTH2_PROVIDER_APPLICATION_MODEL = "credentials.Client"
OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL = "credentials.AccessToken"  # noqa: S105  # the name of a model
OAUTH2_PROVIDER = {
    "ACCESS_TOKEN_EXPIRE_SECONDS": int(lifetimes.ACCESS_TOKEN.total_seconds()),
    "SCOPES": {"system/*.read": "Read all claims of the organization's beneficiaries"},
    "DEFAULT_SCOPES": ["system/*.read"],
    # Only client_credentials is offered. The settings of other grants are strict all the same (RFC 9700).
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_SCHEME": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
    "APPLICATION_ADMIN_CLASS": "credentials.admin.client.ClientAdmin",
    "ACCESS_TOKEN_ADMIN_CLASS": "credentials.admin.access_token.AccessTokenAdmin",
    "GRANT_ADMIN_CLASS": "credentials.admin.access_token.UnusedAdmin",
    "ID_TOKEN_ADMIN_CLASS": "credentials.admin.access_token.UnusedAdmin",
    "REFRESH_TOKEN_ADMIN_CLASS": "credentials.admin.access_token.UnusedAdmin",
}
# The check warns of circular foreign keys; our tokens have none back to the toolkit's tables.
SILENCED_SYSTEM_CHECKS = ["oauth2_provider.W011"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["credentials.tokens.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["credentials.access.throttles.CallThrottle"],
    "EXCEPTION_HANDLER": "exports.api.outcomes.answer",
    "DEFAULT_METADATA_CLASS": "credentials.access.options.AllowAlone",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}

# --- Limits per window of time, counted across all servers; 0 turns a limit off ------------------------------------

LIMIT_WINDOW = dt.timedelta(seconds=env.int("LIMIT_WINDOW_SECONDS", default=300))
LIMIT_API_CALLS_PER_CLIENT = env.int("LIMIT_API_CALLS_PER_CLIENT", default=3000)
LIMIT_API_CALLS_PER_ADDRESS = env.int("LIMIT_API_CALLS_PER_ADDRESS", default=6000)
LIMIT_TOKEN_CALLS_PER_CLIENT = env.int("LIMIT_TOKEN_CALLS_PER_CLIENT", default=300)
LIMIT_FAILURES_PER_CLIENT_AND_ADDRESS = env.int("LIMIT_FAILURES_PER_CLIENT_AND_ADDRESS", default=20)
LIMIT_FAILURES_PER_ADDRESS = env.int("LIMIT_FAILURES_PER_ADDRESS", default=100)
LIMIT_SIGN_INS_PER_PERSON_AND_ADDRESS = env.int("LIMIT_SIGN_INS_PER_PERSON_AND_ADDRESS", default=10)
LIMIT_SIGN_INS_PER_ADDRESS = env.int("LIMIT_SIGN_INS_PER_ADDRESS", default=100)
LIMIT_SIGN_INS_PER_PERSON = env.int("LIMIT_SIGN_INS_PER_PERSON", default=100)
LIMIT_SLOW_HASHES_PER_ADDRESS = env.int("LIMIT_SLOW_HASHES_PER_ADDRESS", default=60)

# --- Transport and content security ---------------------------------------------------------------------------------

# The embedded server uses plain HTTP on this machine. Everything else is behind TLS.
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=not EMBEDDED)
SECURE_REDIRECT_EXEMPT = [r"^_health$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_HSTS_SECONDS = 0 if EMBEDDED else int(dt.timedelta(days=365).total_seconds())
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not EMBEDDED
SESSION_COOKIE_NAME = "claimsgate_session"
CSRF_COOKIE_NAME = "claimsgate_csrf"
CSRF_FAILURE_VIEW = "portal.pages.errors.form_out_of_date"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],  # the U.S. Web Design System has some icons in data: URLs
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}

# --- Files, language, time, logs ------------------------------------------------------------------------------------

STATIC_URL = "/static/"
# In embedded mode, files are served from their source folders; otherwise from `manage.py collectstatic`.
WHITENOISE_USE_FINDERS = EMBEDDED
WHITENOISE_AUTOREFRESH = EMBEDDED  # files are found on request; otherwise all 2,800 are read at startup
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(DATA_DIR / "static")))
NODE_MODULES = BASE_DIR / "node_modules"
STATICFILES_DIRS = [
    BASE_DIR / "static",
    *((f"uswds/{part}", NODE_MODULES / "@uswds/uswds/dist" / part) for part in ("css", "fonts", "img")),
    ("htmx", NODE_MODULES / "htmx.org/dist"),
]
FILE_UPLOAD_TEMP_DIR = env.str("FILE_UPLOAD_TEMP_DIR", default=tempfile.gettempdir())
DATA_UPLOAD_MAX_MEMORY_SIZE = 2**20  # for a form without its files

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

# In embedded mode, emails are saved as files, since the links in them would be redacted in logs.
EMAIL_CONFIG = env.email_url("EMAIL_URL", default=f"filemail:///{DATA_DIR}/mail" if EMBEDDED else "consolemail://")
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Claimsgate <claimsgate@localhost>")
# The base URL of links in emails.
PUBLIC_URL = env.str("PUBLIC_URL", default="").rstrip("/") or (
    f"https://{ALLOWED_HOSTS[0].lstrip('.')}" if ALLOWED_HOSTS and not EMBEDDED else "http://localhost:8000"
)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"redaction": {"()": "portal.redaction.RedactionFilter"}},
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["redaction"]}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    # It would log several lines for each request.
    "loggers": {"psycopg.pool": {"level": "WARNING"}},
}
