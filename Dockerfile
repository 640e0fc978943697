# The pipeline in a container: docker build -t harmonic . && docker run --rm -v "$PWD/out:/project/reports" harmonic
FROM python:3.11-slim
RUN apt-get update \
    && apt-get install --no-install-recommends -y git make libcurl4-openssl-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /project
COPY requirements.txt constraints.txt Makefile ./
RUN make .venv/run-time
COPY . .
CMD ["make", "run"]
