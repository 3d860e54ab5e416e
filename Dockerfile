# The build has two stages, so that the image has neither npm nor compilers.
FROM node:22-slim AS front-end
WORKDIR /front-end
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM python:3.12-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 CLAIMSGATE_DATA_DIR=/data STATIC_ROOT=/srv/static
WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements.txt
COPY . .
COPY --from=front-end /front-end/node_modules node_modules
# collectstatic needs settings, but no secret.
RUN CLAIMSGATE_EMBEDDED=off python manage.py collectstatic --noinput \
    && useradd --system claimsgate && mkdir /data && chown claimsgate /data && chmod 700 /data
USER claimsgate
EXPOSE 8000
# Binds to all addresses of the container. docs/production.md says who may reach them.
CMD ["gunicorn", "portal.wsgi", "--bind", "0.0.0.0:8000", "--workers", "2", "--worker-class", "gthread", \
    "--threads", "64", "--keep-alive", "75", "--no-control-socket", "--access-logfile", "-", "--access-logformat", \
    "%(t)s %({claimsgate.client_address}e)s %(m)s %(U)s %(s)s %(B)s bytes %(M)s ms"]
