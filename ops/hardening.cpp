#include "ops/hardening.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <string>
#include <string_view>

#include "link/postgres/dsn.hpp"

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

void hide_secrets(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.find("://") == std::string_view::npos &&
        argument.find("password") == std::string_view::npos)
      continue;
    const std::string hidden = postgres::redacted(argument, {});
    if (hidden == argument) continue;
    const std::size_t size = argument.size();
    for (std::size_t at = 0; at < size; ++at) argv[i][at] = at < hidden.size() ? hidden[at] : '\0';
  }
}

}  // namespace lockstep::ops
