# The image of Belfry's roles, from source: docker build -f deploy/belfry.Dockerfile -t belfry:0.1.0 .
# Where no base image can be pulled, scripts/images makes the same image from a local build.
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --locked --release --package belfry --bin belfry --target "$(rustc -vV | sed -n 's/^host: //p')" \
 && cp target/*-linux-gnu/release/belfry /belfry \
 && mkdir /data

FROM scratch
# The authorities that a registry's certificate may be from.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /belfry /belfry
# A volume that is mounted here belongs to whom this belongs.
COPY --from=build --chown=65532:65532 /data /var/lib/belfry
ENV BELFRY_DATA=/var/lib/belfry
USER 65532:65532
ENTRYPOINT ["/belfry"]
