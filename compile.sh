#!/usr/bin/env bash
# Compiles the service to one self-contained executable: ./compile.sh [target], where target is one of
#   x86_64-unknown-linux-gnu (default)  aarch64-unknown-linux-gnu  x86_64-apple-darwin  aarch64-apple-darwin  x86_64-pc-windows-msvc
# The result is dist/chat-<target>. The permissions baked in are those of `deno task start`.
set -euo pipefail
cd "$(dirname "$0")"

target=${1:-x86_64-unknown-linux-gnu}
case $target in
  *-linux-gnu | *-apple-darwin) out=dist/chat-$target ;;
  *-windows-msvc) out=dist/chat-$target.exe ;;
  *)
    sed -n '2,4s/^# //p' "$0" >&2
    exit 64
    ;;
esac

deno=${DENO:-deno}
command -v "${deno%% *}" >/dev/null || deno="npx --yes deno@2.9.6"

# The one list of permissions is the start task; a compiled program is never asked for more.
permissions=$(sed -n "/\"start\"/,/}/s/.*\"deno run \(.*\) main\.ts\".*/\1/p" deno.json | tr -d "'")

# Only the packages in use, where this version of Deno can leave the others out.
slim=
if $deno compile --help 2>/dev/null | grep -q -- --exclude-unused-npm; then slim=--exclude-unused-npm; fi

mkdir -p dist
# shellcheck disable=SC2086 -- these are lists of words
if ! $deno compile $permissions --frozen $slim \
  --include src/store/sqlite_writer_thread.ts --include src/worker.ts --include src/web \
  --target "$target" --output "$out" main.ts; then
  echo "compile.sh: deno downloads its runtime (denort) for the target from dl.deno.land; where that cannot be reached," >&2
  echo "            download it elsewhere and name it in DENORT_BIN. Its version must be that of \`$deno --version\`." >&2
  exit 1
fi
echo "$out"
