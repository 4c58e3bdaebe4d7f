#include "ops/switch_hooks.hpp"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX says so

namespace lockstep::ops {

namespace {

constexpr int kNotRun = 128;

// Our own signal mask blocks what would end a hook, and its stdout must not mix with our results.
int spawn_and_wait(const std::vector<std::string>& arguments,
                   const std::map<std::string, std::string>& variables) {
  std::vector<std::string> texts;
  for (char** each = environ; *each != nullptr; ++each) texts.emplace_back(*each);
  for (const auto& [name, value] : variables) texts.push_back(name + "=" + value);
  std::vector<char*> environment, words;
  for (std::string& text : texts) environment.push_back(text.data());
  environment.push_back(nullptr);
  std::vector<std::string> copy = arguments;
  for (std::string& word : copy) words.push_back(word.data());
  words.push_back(nullptr);

  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
  pid_t pid = 0;
  const int started =
      ::posix_spawnp(&pid, words[0], &files, &attributes, words.data(), environment.data());
  ::posix_spawn_file_actions_destroy(&files);
  ::posix_spawnattr_destroy(&attributes);
  if (started != 0) return kNotRun;
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : kNotRun + WTERMSIG(status);
}

}  // namespace

std::vector<HookRun> run_hooks(const std::string& folder,
                               const std::map<std::string, std::string>& variables,
                               bool stop_at_failure) {
  std::vector<std::string> programs;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(folder, missing))
    if (entry.is_regular_file() && ::access(entry.path().c_str(), X_OK) == 0)
      programs.push_back(entry.path());
  std::sort(programs.begin(), programs.end());
  std::vector<HookRun> runs;
  for (const std::string& program : programs) {
    runs.push_back({program, spawn_and_wait({program}, variables)});
    if (stop_at_failure && runs.back().exit_code != 0) break;
  }
  return runs;
}

int run_program(const std::vector<std::string>& words,
                const std::map<std::string, std::string>& variables) {
  return words.empty() ? kNotRun : spawn_and_wait(words, variables);
}

}  // namespace lockstep::ops
