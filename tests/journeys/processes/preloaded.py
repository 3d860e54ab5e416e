"""What servers and workers load before they read any settings; see forked.py."""

# ruff: noqa: F401

import celery.apps.beat
import celery.apps.worker
import celery.beat
import celery.bin.celery
import celery.concurrency.prefork
import celery.fixups.django
import celery.worker.autoscale
import celery.worker.components
import celery.worker.consumer
import celery.worker.strategy
import cryptography.fernet
import cryptography.x509
import django.contrib.admin.options
import django.contrib.postgres.fields
import django.core.cache.backends.redis
import django.core.mail
import django.core.management.base
import django.db.backends.postgresql.base
import django.db.models
import django.forms
import django.template.defaulttags
import django.test.client
import django.urls
import environ
import fido2.server
import gunicorn.app.wsgiapp
import gunicorn.workers.gthread
import isal.isal_zlib
import jwcrypto.jwk
import jwcrypto.jwt
import kombu.transport.redis
import psycopg
import qrcode
import requests
