#!/usr/bin/env python3
"""ops/check_release.py BUILD_DIR: whether lockstep itself is built as a release has to be, without building it.

Asks ninja how BUILD_DIR makes `lockstep`: every product file has to be compiled with each hardening flag, with nothing that takes
one back, and without failpoints; the program has to be linked with PIE, RELRO, BIND_NOW and a stack that is not executable. Then the same
compiler with the same flags compiles a few lines, and the machine code is looked at: so the flags do something. ops/check_binary.sh
looks at a program that is built. Prints what is wrong; exit 1 then.
"""
import pathlib
import platform
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ["model", "link", "config", "capture", "snapshot", "apply", "verify", "switchover", "ops"]
X86 = platform.machine() == "x86_64"
COMPILED_WITH = {
    "optimisation (FORTIFY needs it)": r"-O[23]",
    "position independent code": r"-f(PIC|PIE)",
    "FORTIFY": r"-D_FORTIFY_SOURCE=3",
    "checks of the C++ library": r"-D_GLIBCXX_ASSERTIONS",
    "the stack protector": r"-fstack-protector-(strong|all)",
    "stack clash protection": r"-fstack-clash-protection",
    "variables that begin as 0": r"-ftrivial-auto-var-init=zero",
} | ({"CET": r"-fcf-protection=full"} if X86 else {})
NEVER = {
    "failpoints": r"-D\s*LOCKSTEP_FAILPOINTS.*",
    "a flag that takes hardening back": r"-fno-(stack|pie|pic|PIE|PIC).*|-fcf-protection=(none|branch|return)|-D_FORTIFY_SOURCE=[^3].*|-O[01g]|-Ofast"
    r"|-ffast-math|-w",
    "a sanitizer": r"-fsanitize=.*",
}
LINKED_WITH = {"PIE": r"-pie", "RELRO": r".*-z,relro.*", "BIND_NOW": r".*-z,now.*", "a stack that is not executable": r".*-z,noexecstack.*"}
NEVER_LINKED = {"an executable stack": r".*-z,execstack.*", "no PIE": r"-no-pie", "an RPATH": r".*-rpath.*", "a sanitizer": r"-fsanitize=.*"}
PROBE = """
#include <cstddef>
#include <cstring>
void use(char*);
void probe(const char* from, std::size_t size) {
  char large[65536];
  std::memcpy(large, from, size);
  use(large);
}
"""
CODE_HAS = {
    "the stack protector": r"__stack_chk_fail",
    "checked library functions (FORTIFY)": r"__memcpy_chk",
} | ({"stack clash protection (each page is touched)": r"\borq?\s+\$0x?0?,", "CET (endbr64)": r"\bendbr64\b"} if X86 else {})


def commands(build):
    """How each product file is compiled, and how the program is linked."""
    lines = subprocess.run(["ninja", "-C", build, "-t", "commands", "lockstep"], check=True, capture_output=True, text=True).stdout.splitlines()
    compiled, linked = {}, []
    for line in lines:
        words = shlex.split(line)
        if "-c" in words:
            source = pathlib.Path(words[words.index("-c") + 1]).resolve()
            compiled[source] = words
        elif re.search(r" -o lockstep( |$)", line):
            linked.append(words)
    return compiled, linked


def wrong_in(words, wanted, never):
    found = [f"{what} is missing" for what, flag in wanted.items() if not any(re.fullmatch(flag, word) for word in words)]
    return found + [f"it has {what}: {word}" for what, flag in never.items() for word in words if re.fullmatch(flag, word)]


def wrong_code(words):
    """What the compiler of `words` makes of the probe with their flags."""
    at = words.index("-c")
    flags = [word for word in words[:at] if re.match(r"-[OfmDUs]", word)]
    compiler = next(word for word in words if re.search(r"(\+\+|clang|gcc|/c)[^/]*$", word) and not word.startswith("-") and "ccache" not in word)
    with tempfile.NamedTemporaryFile(suffix=".cpp", mode="w") as source:
        source.write(PROBE)
        source.flush()
        code = subprocess.run([compiler, *flags, "-S", "-o", "-", source.name], check=True, capture_output=True, text=True).stdout
    return [f"the compiler gives no {what}" for what, pattern in CODE_HAS.items() if not re.search(pattern, code)]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    compiled, linked = commands(sys.argv[1])
    product = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.cpp"))
    problems = []
    for source in product:
        name = source.relative_to(ROOT)
        words = compiled.get(source)
        problems += [f"{name}: {what}" for what in (wrong_in(words, COMPILED_WITH, NEVER) if words else ["no part of lockstep"])]
    problems += [f"{path}: no product file" for path in sorted(set(compiled) - set(product))]
    if len(linked) != 1:
        problems.append(f"lockstep is linked {len(linked)} times")
    for words in linked:
        problems += [f"lockstep: {what}" for what in wrong_in(words, LINKED_WITH, NEVER_LINKED)]
    if compiled:
        problems += wrong_code(next(iter(compiled.values())))
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(1)
    print(f"compiled and linked as a release: lockstep, {len(product)} files")


if __name__ == "__main__":
    main()
