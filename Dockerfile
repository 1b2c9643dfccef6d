# An image that runs boardsync as an ordinary user. docs/container.md tells how to use it.
#
#   docker build -t boardsync .
#   docker run --user "$(id -u):$(id -g)" --read-only --tmpfs /tmp --stop-timeout 30 \
#       -v ./config.yaml:/etc/boardsync/config.yaml:ro -v ./pictures:/pictures \
#       -v boardsync-state:/var/lib/boardsync boardsync
#
# Settings:  /etc/boardsync/config.yaml; folders in it are the container's, such as /pictures.
# State:     /var/lib/boardsync, a volume: without it every start is a first start.
# Commands:  docker exec CONTAINER boardsync status
#
# --build-arg BASE= takes another image with Python 3.11 to 3.13 and pip. Nothing here is for one
# kind of processor: `docker buildx build --platform linux/amd64,linux/arm64` builds for both.

ARG BASE=python:3.12.11-slim-bookworm

# Both stages have the same Python, so a virtual environment can be copied from one to the other.
# Nothing is installed beside it: a distribution may keep its own Python to itself (PEP 668).
FROM ${BASE} AS build
RUN python3 -m venv --without-pip /opt/boardsync
WORKDIR /source
COPY pyproject.toml README.md LICENSE config.example.yaml ./
COPY migrations migrations
COPY systemd systemd
COPY docs/boardsync.1 docs/
COPY daemon daemon
RUN python3 -m pip --python /opt/boardsync/bin/python install --no-cache-dir ".[heif]"

FROM ${BASE}
# Any user may keep the state in a fresh volume; what the daemon puts there is its user's alone.
RUN install -d -m 1777 /var/lib/boardsync
COPY --from=build /opt/boardsync /opt/boardsync

# Where a service manager would say that the state belongs; PYTHONMALLOC as in the unit.
ENV STATE_DIRECTORY=/var/lib/boardsync \
    HOME=/var/lib/boardsync \
    PATH=/opt/boardsync/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONMALLOC=malloc
VOLUME /var/lib/boardsync
USER 1000:1000
HEALTHCHECK --interval=30s --timeout=10s --start-period=2m --retries=3 \
    CMD boardsync health || exit 1
ENTRYPOINT ["/opt/boardsync/bin/python", "-m", "boardsync.container"]
CMD ["run"]
