# The inference server. It answers from the online store and keeps copies of the champion; MLflow and XGBoost are for the process that
# fetches a new version; the server itself never loads MLflow. A champion that is a network needs the extra torch as well.
# Build from the root of the repository: docker build -f deploy/images/serving.Dockerfile -t fti-serving .
FROM python:3.11-slim

WORKDIR /app
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY fti_assets ./fti_assets
RUN pip install --no-cache-dir -c constraints.txt '.[serving,redis]' \
    && useradd --uid 1000 --create-home fti \
    && mkdir /data && chown fti /data

USER fti
ENV FTI_DATA_DIR=/data PYTHONUNBUFFERED=1
EXPOSE 8080
CMD ["fti", "serve", "flights", "--host", "0.0.0.0", "--port", "8080"]
