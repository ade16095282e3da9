# A Debian that runs systemd, with the suite installed as README.md says: for test_with_containers.py.
FROM hookswitch-build AS build
RUN meson install -C /build --no-rebuild --destdir /installed >/dev/null

FROM hookswitch-tools
RUN apt-get update && apt-get install -y --no-install-recommends systemd systemd-sysv
COPY --from=build /installed /
RUN systemd-sysusers && systemd-tmpfiles --create && systemctl enable hookswitch.target hookswitch-apid.service \
    hookswitch-api-front.service hookswitch-sipd.service hookswitch-mediad.service hookswitch-hookd.service \
    hookswitch-hook-stream.service && systemctl mask systemd-networkd-wait-online.service systemd-udevd.service
STOPSIGNAL SIGRTMIN+3
CMD ["/sbin/init"]
