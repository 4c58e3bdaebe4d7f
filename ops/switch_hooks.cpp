#include "ops/switch_hooks.hpp"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <string_view>

#include "model/error.hpp"

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX says so

namespace lockstep::ops {

namespace {

constexpr int kNotRun = 128;

// Our own signal mask blocks what would end a hook, and its stdout must not mix with our results.
int spawn_and_wait(const std::vector<std::string>& arguments,
                   const std::map<std::string, std::string>& variables) {
  std::vector<std::string> texts;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view text(*each);  // of two of a name most programs see the first
    if (!variables.contains(std::string(text.substr(0, text.find('='))))) texts.emplace_back(text);
  }
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

/// As for a configuration file: its owner and root may write, nobody else.
void refuse_if_others_write(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return;
  const bool foreign = about.st_uid != ::geteuid() && about.st_uid != 0;
  if (!foreign && (about.st_mode & (S_IWGRP | S_IWOTH)) == 0) return;
  throw Error(
      {.code = "LS-X660",
       .exit = ExitCode::precondition,
       .what = fmt::format("others could have written the hook {}", path),
       .why = foreign ? fmt::format("it belongs to user {}", about.st_uid)
                      : fmt::format("its mode is {:04o}", about.st_mode & 07777U),
       .data = "no hook of its folder was run",
       .todo = fmt::format("look at it, then chown it to yourself and chmod go-w {}", path)});
}

/// By name; every executable file.
std::vector<std::string> programs_in(const std::string& folder) {
  std::vector<std::string> programs;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(folder, missing))
    if (entry.is_regular_file() && ::access(entry.path().c_str(), X_OK) == 0)
      programs.push_back(entry.path());
  std::sort(programs.begin(), programs.end());
  return programs;
}

}  // namespace

void refuse_foreign_hooks(const std::string& hooks, const std::string& name) {
  const std::string folder = hooks + "/" + name;
  refuse_if_others_write(hooks);
  refuse_if_others_write(folder);
  for (const std::string& program : programs_in(folder)) refuse_if_others_write(program);
}

std::vector<HookRun> run_hooks(const std::string& hooks, const std::string& name,
                               const std::map<std::string, std::string>& variables,
                               bool stop_at_failure) {
  refuse_foreign_hooks(hooks, name);
  std::vector<HookRun> runs;
  for (const std::string& program : programs_in(hooks + "/" + name)) {
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
