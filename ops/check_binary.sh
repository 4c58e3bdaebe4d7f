#!/usr/bin/env bash
# ops/check_binary.sh PROGRAM...: whether programs are built as a release has to be: PIE, RELRO with all symbols bound at the start, no
# executable stack, stack protector, checked library functions, no RPATH, no failpoints. Prints what is missing; exit 1 then.
set -euo pipefail

if (($# == 0)); then
  sed -n '2,3s/^# //p' "$0" >&2
  exit 2
fi

missing=0
# has PROGRAM WHAT PATTERN TEXT: TEXT has a line that fits PATTERN.
has() {
  grep -qE "$3" <<<"$4" && return
  echo "$1: $2 is missing" >&2
  missing=1
}
lacks() {
  grep -qE "$3" <<<"$4" || return 0
  echo "$1: $2" >&2
  missing=1
}

for program in "$@"; do
  header=$(readelf -hW "$program")
  segments=$(readelf -lW "$program")
  dynamic=$(readelf -dW "$program")
  symbols=$(readelf -W --dyn-syms "$program")
  has "$program" "PIE" 'Type: +DYN' "$header"
  has "$program" "PIE" 'FLAGS_1.* PIE' "$dynamic"
  has "$program" "RELRO" 'GNU_RELRO' "$segments"
  has "$program" "BIND_NOW" 'BIND_NOW|FLAGS_1.* NOW' "$dynamic"
  has "$program" "a stack that is not executable" 'GNU_STACK.* RW +0x' "$segments"
  has "$program" "the stack protector" '__stack_chk_fail' "$symbols"
  has "$program" "checked library functions (FORTIFY)" '__[a-z]+_chk(@|$| )' "$symbols"
  lacks "$program" "it has an RPATH" '\((RPATH|RUNPATH)\)' "$dynamic"
  if grep -qa 'LOCKSTEP_FAILPOINTS' "$program"; then
    echo "$program: failpoints are built in" >&2
    missing=1
  fi
done
((missing == 0)) && echo "built as a release: $*"
exit "$missing"
