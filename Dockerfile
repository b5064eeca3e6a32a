# The bank as an image: built with a compiler, run without one and by an ordinary user.
ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS build

# Tartiflette has no wheel: its parser is C++, built by CMake.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake g++ make \
    && rm -rf /var/lib/apt/lists/*

# The parser asks for a CMake older than 4; this lets a newer one build it too.
ENV CMAKE_POLICY_VERSION_MINIMUM=3.5 \
    PIP_CONSTRAINT=/src/constraints.txt \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

WORKDIR /src
RUN python -m venv /opt/bank

# What the bank needs changes seldom, the bank often: in two steps, a build after an edit takes seconds.
COPY pyproject.toml constraints.txt ./
RUN python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
      > requirements.txt \
    && /opt/bank/bin/pip install --requirement requirements.txt

COPY README.md LICENSE ./
COPY bank bank
COPY contracts contracts
COPY fixtures fixtures
COPY simulation simulation
RUN /opt/bank/bin/pip install --no-deps .


FROM ${PYTHON_IMAGE}

# The account gets a fixed number, so that the owner of a volume is the same after every build.
# The loop does nothing in the official image; where an interpreter lies under a home folder (pyenv), it lets others in.
RUN useradd --uid 10001 --home-dir /var/lib/bank --no-create-home --shell /usr/sbin/nologin bank \
    && install --directory --owner bank --group bank --mode 700 /var/lib/bank /var/lib/bank-audit \
    && above=$(dirname "$(readlink -f "$(command -v python3)")") \
    && while [ "$above" != / ]; do chmod a+x "$above"; above=$(dirname "$above"); done

COPY --from=build /opt/bank /opt/bank

ENV PATH=/opt/bank/bin:$PATH \
    PYTHONUNBUFFERED=1

USER bank
WORKDIR /var/lib/bank
EXPOSE 8000
# SIGTERM lets requests in flight finish.
STOPSIGNAL SIGTERM
CMD ["bank", "serve", "--host", "0.0.0.0", "--port", "8000"]
