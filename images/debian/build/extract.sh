#!/bin/sh
# Run by mmdebstrap when the essential packages are unpacked and before any is installed: what nobody needs on a machine in a
# browser tab is left out. Copyright notices stay. $1 is the root.
set -eu
umask 022
cd "$1"
cat >etc/dpkg/dpkg.cfg.d/ringside <<EOF
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/lintian/*
path-exclude=/usr/share/bug/*
EOF
# Only while the image is made: a build that is cut off is begun anew.
echo force-unsafe-io >etc/dpkg/dpkg.cfg.d/build
find usr/share/doc ! -type d ! -name copyright -delete
rm -rf usr/share/man/* usr/share/info/* usr/share/locale/* usr/share/lintian usr/share/bug
