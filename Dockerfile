# An image that runs boardsync as an ordinary user.
#
#   docker build -t boardsync .
#   docker run -v ./config.yaml:/etc/boardsync/config.yaml:ro -v ./pictures:/pictures \
#       -v boardsync-state:/var/lib/boardsync --stop-timeout 30 boardsync
#
# Settings:  /etc/boardsync/config.yaml; folders in it are the container's, such as /pictures.
# State:     /var/lib/boardsync, a volume: without it every start is a first start.
# Pictures:  mounted, and writable for the user below where a mirror pulls.
# Commands:  docker exec CONTAINER boardsync status
#
# --build-arg BASE= takes another image with Python 3.11 to 3.13, --build-arg USER_ID= the id of
# the user who owns the pictures.

ARG BASE=python:3.12-slim

FROM ${BASE} AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE config.example.yaml ./
COPY migrations migrations
COPY daemon daemon
RUN python -m pip wheel --no-cache-dir --wheel-dir /wheels .

FROM ${BASE}
ARG USER_ID=1000
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    python -m pip install --no-cache-dir --no-index --find-links=/wheels boardsync \
    && useradd --uid "${USER_ID}" --user-group --create-home boardsync \
    && install -d -o boardsync -g boardsync -m 0700 /var/lib/boardsync

# Where a service manager would say that the state belongs.
ENV STATE_DIRECTORY=/var/lib/boardsync
VOLUME /var/lib/boardsync
USER boardsync
ENTRYPOINT ["boardsync"]
CMD ["run"]
