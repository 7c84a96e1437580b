# shellcheck shell=bash
# Sourced by the other scripts, in the repository's root.

# build PRESET TARGET [CMAKE_OPTIONS...]: configures and builds one target of build/PRESET. Prints
# one line, and the compiler's words when something fails.
build() {
  local preset=$1 target=$2 log=build/$1.log
  shift 2
  mkdir -p build
  echo "building $target ($preset; log in $log)"
  # A build folder that was copied or moved from elsewhere cannot be used again.
  local cache=build/$preset/CMakeCache.txt
  if [[ -f $cache ]] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$cache"; then
    rm -rf "build/$preset"
  fi
  if ! { cmake --preset "$preset" "$@" && cmake --build --preset "$preset" --target "$target"; } \
    >"$log" 2>&1; then
    grep -E -A 8 'error|Error|FAILED' "$log" | head -n 60 >&2 || tail -n 40 "$log" >&2
    echo "building $target ($preset) failed; the whole log is in $log" >&2
    return 1
  fi
}
