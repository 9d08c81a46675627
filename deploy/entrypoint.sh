#!/bin/sh
# What the image starts: `soar`, with PostgreSQL's password where libpq takes it.
#
# libpq reads a password file (PGPASSFILE) only when nobody but its owner can, and a secret that a container engine or
# Kubernetes mounts never is of that kind: it belongs to root, or its group can read it. So the file is written at each
# start, into memory, from the secret that POSTGRES_PASSWORD_FILE names; the database's own image reads the same one.
set -eu

if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
    umask 077
    # host:port:database:user:password; a colon or backslash of the password is escaped, the end of its line is not in it.
    password=$(sed 's/[\\:]/\\&/g' "$POSTGRES_PASSWORD_FILE")
    printf '*:*:*:*:%s\n' "${password:?$POSTGRES_PASSWORD_FILE is empty}" > "${PGPASSFILE:?names the file to write}"
    unset password
fi
exec soar "$@"
