# Batch inference, online tables and monitoring. With torch, since a champion may be a network; where none is, leave the extra out: it is large.
# Build from the root of the repository: docker build -f deploy/images/inference.Dockerfile -t fti-inference .
FROM python:3.11-slim

WORKDIR /app
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY fti_assets ./fti_assets
RUN pip install --no-cache-dir -c constraints.txt '.[inference,torch,online,redis,postgres,s3,kubernetes]' 'dagster-postgres>=0.29' \
    && useradd --uid 1000 --create-home fti \
    && mkdir /data && chown fti /data

USER fti
ENV FTI_DATA_DIR=/data PYTHONUNBUFFERED=1
EXPOSE 3030
CMD ["dagster", "api", "grpc", "--host", "0.0.0.0", "--port", "3030", "--module-name", "fti_assets.locations.inference"]
