# The image of every Delfos service: one static binary, nothing else, run by nobody in particular.
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
USER nonroot
EXPOSE 8000 3000
# No shell in here: the binary asks its own server. (A bare worker's check is `healthcheck worker`.)
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/local/bin/delfos", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/delfos"]
CMD ["serve"]
