FROM python:3.11-slim-bookworm AS build
WORKDIR /app
ENV UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
COPY requirements-setup.lock requirements.lock ./
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --require-hashes -r requirements-setup.lock \
    && .venv/bin/uv pip install --no-cache --python .venv --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY referral referral
COPY templates templates
RUN .venv/bin/uv pip install --no-cache --python .venv --no-deps --no-build-isolation -e .

FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 \
        fonts-noto-core fonts-noto-cjk \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/referral --create-home referral \
    # A volume that is mounted there takes its owner from here.
    && install -d -o referral -g referral -m 700 /var/lib/referral/bounces
COPY --from=build /app /app
WORKDIR /app
USER referral
ENV PATH=/app/.venv/bin:/usr/bin:/bin REFERRAL_HOST=0.0.0.0 REFERRAL_DATA_DIR=/var/lib/referral REFERRAL_LOG_FORMAT=json
VOLUME /var/lib/referral
EXPOSE 8000
CMD ["referral", "api"]
