#include "ops/hardening.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

namespace lockstep::ops {

namespace {
mode_t before = S_IWGRP | S_IWOTH;
}  // namespace

void harden_process() noexcept {
  // Each of them may be refused (a container's rules); then it is as it was.
  const rlimit none{0, 0};
  static_cast<void>(::setrlimit(RLIMIT_CORE, &none));
  static_cast<void>(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
  before = ::umask(S_IRWXG | S_IRWXO);
}

mode_t former_umask() noexcept {
  return before;
}

}  // namespace lockstep::ops
