# The standard trigger image, from source: docker build -f deploy/trigger.Dockerfile -t belfry-trigger:0.1.0 .
# Where no base image can be pulled, scripts/trigger-image makes the same image from a local build.
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --locked --profile image --package belfry-triggers --bin belfry-trigger --target "$(rustc -vV | sed -n 's/^host: //p')" \
 && cp target/*-linux-gnu/image/belfry-trigger /belfry-trigger

FROM scratch
# The authorities that an orchestrator's certificate may be from.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /belfry-trigger /belfry-trigger
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/belfry-trigger"]
