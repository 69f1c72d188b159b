#!/bin/sh
# check.sh OASDIFF compares openapi.yaml with the contract of the last release, the newest
# api/v*.yaml. It refuses a change that breaks clients unless api/breaking.txt has it with its
# reason and the major version is a new one. docs/versions.md says what clients have to bear:
# levels.txt takes that out.
set -eu
oasdiff=$1
released=$(ls api/v*.yaml | sort -V | tail -n 1)
listed=api/breaking.txt
version() { sed -n 's/^  version: //p' "$1"; }
breaking() { "$oasdiff" breaking --format singleline --color never --severity-levels tools/oasdiff/levels.txt "$@" "$released" openapi.yaml; }

if ! breaking --fail-on ERR --err-ignore "$listed"; then
	echo "openapi.yaml breaks clients of $released: undo the change, or add the line above, from the method on, to $listed with -- and a reason" >&2
	exit 1
fi
lines=$(grep -cv '^#' "$listed" || true)
if grep -v '^#' "$listed" | grep -qv -- ' -- .'; then
	echo "a line of $listed has no reason: add -- and why clients are broken" >&2
	exit 1
fi
found=$(breaking | grep -c '^error' || true)
if [ "$lines" != "$found" ]; then
	echo "$listed lists $lines changes, but $found break clients of $released: remove the lines of changes that are undone" >&2
	exit 1
fi
old=$(version "$released") new=$(version openapi.yaml)
if [ "$lines" -gt 0 ] && [ "${new%%.*}" -le "${old%%.*}" ]; then
	echo "$listed has $lines changes that break clients of version $old, and info.version is $new: it has to be $((${old%%.*} + 1)).0.0 or more" >&2
	exit 1
fi
echo "openapi.yaml $new breaks no client of $old but by $listed ($lines changes)"
