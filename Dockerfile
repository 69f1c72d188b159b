# The image of every Delfos service: one static binary, nothing else, run by nobody in particular.
# It listens on every address of its container, and so wants tokens, or the word that nobody is asked:
# docker run -p 127.0.0.1:8000:8000 -e SOURCE_DB_URL=… IMAGE serve --insecure
FROM golang:1.26-bookworm AS build
WORKDIR /src
ENV CGO_ENABLED=0 GOFLAGS=-buildvcs=false

# Modules first: they change less often than the code.
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download

COPY . .
ARG VERSION=dev COMMIT=unknown
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION -X main.commit=$COMMIT" -o /out/delfos .

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/delfos /usr/local/bin/delfos
# By number, so that it can be told from root without a look into /etc/passwd.
USER 65532:65532
ENV API_ADDR=0.0.0.0:8000 CONSOLE_ADDR=0.0.0.0:3000 HEALTHCHECK_FROM=outside
EXPOSE 8000 3000
# No shell in here: the binary asks its own server, by an address that others can use, so that one
# that listens at loopback alone is unhealthy. (A bare worker's check is `healthcheck worker`.)
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/local/bin/delfos", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/delfos"]
CMD ["serve"]
