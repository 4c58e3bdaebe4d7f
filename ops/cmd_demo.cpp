#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "link/postgres/dsn.hpp"
#include "ops/commands.hpp"
#include "ops/demo_script.hpp"
#include "ops/hardening.hpp"

namespace lockstep::ops {

// The script is part of the binary, so that an installed lockstep has its demo with it.
ExitCode command_demo(const std::vector<std::string>& arguments) {
  std::array<char, 4096> self{};
  if (::readlink("/proc/self/exe", self.data(), self.size() - 1) > 0)
    ::setenv("LOCKSTEP_BINARY", self.data(), 1);
  std::vector<std::string> words{"bash", "-c", kDemoScript, "lockstep demo"};
  // It repeats what it does not know.
  for (const std::string& argument : arguments) words.push_back(postgres::redacted(argument, {}));
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);  // the script handles Ctrl-C itself
  ::umask(former_umask());                   // its server may run as another user
  ::execvp("bash", argv.data());
  throw Error({.code = "LS-R720",
               .exit = ExitCode::usage,
               .what = "the demo needs bash",
               .why = std::strerror(errno),
               .data = "nothing was touched",
               .todo = "install bash"});
}

}  // namespace lockstep::ops
