# An image that runs boardsync as an ordinary user.
#
#   docker build -t boardsync .
#   docker run --init --stop-timeout 30 -v ./config.yaml:/etc/boardsync/config.yaml:ro \
#       -v ./pictures:/pictures -v boardsync-state:/var/lib/boardsync boardsync
#
# Settings:  /etc/boardsync/config.yaml; folders in it are the container's, such as /pictures.
# State:     /var/lib/boardsync, a volume: without it every start is a first start.
# Pictures:  mounted, readable for the user below, and writable where a mirror pulls.
# Commands:  docker exec CONTAINER boardsync status
#
# --build-arg BASE= takes another image with Python 3.11 to 3.13 and pip, --build-arg USER_ID= the
# id of the user who owns the pictures.

ARG BASE=python:3.12-slim

# Both stages have the same Python, so a virtual environment can be copied from one to the other.
# Nothing is installed beside it: a distribution may keep its own Python to itself (PEP 668).
FROM ${BASE} AS build
RUN python3 -m venv --without-pip /opt/boardsync
WORKDIR /source
COPY pyproject.toml README.md LICENSE config.example.yaml ./
COPY migrations migrations
COPY daemon daemon
RUN python3 -m pip --python /opt/boardsync/bin/python install --no-cache-dir .

FROM ${BASE}
ARG USER_ID=1000
# Another base may have a user of this id already: it is the id that owns files.
RUN useradd --non-unique --uid "${USER_ID}" --user-group --create-home boardsync \
    && install -d -o boardsync -g boardsync -m 0700 /var/lib/boardsync
COPY --from=build /opt/boardsync /opt/boardsync

# Where a service manager would say that the state belongs.
ENV STATE_DIRECTORY=/var/lib/boardsync
ENV PATH=/opt/boardsync/bin:${PATH}
VOLUME /var/lib/boardsync
USER boardsync
ENTRYPOINT ["boardsync"]
CMD ["run"]
