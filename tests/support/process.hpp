// A real child process: started, signalled, waited for, its output read back.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::test {

/// A file descriptor that closes itself.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor() { reset(); }

  [[nodiscard]] int get() const noexcept { return number_; }
  void reset() noexcept;

 private:
  int number_ = -1;
};

struct ProcessOptions {
  std::vector<std::string> environment =
      {};                        ///< "NAME=value", added to ours; "NAME" alone removes it
  std::string stdout_path = {};  ///< appended to; empty: captured, see output()
  std::string stderr_path = {};  ///< likewise, see error_output()
  std::string directory = {};    ///< working folder; empty: ours
  bool own_stdin = false;        ///< a pipe for write_stdin() instead of /dev/null
  bool own_session = false;      ///< setsid(): a ^C on the terminal does not reach it
  bool dies_with_us = true;      ///< SIGKILL when the *thread* that started it ends
  std::optional<uid_t> user = {};
  std::optional<gid_t> group = {};  ///< set together with user; no supplementary groups
};

/// How a process ended: exactly one of the two.
struct ExitStatus {
  std::optional<int> code = {};
  std::optional<int> signal = {};
  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};

/// Not for two threads at once. The destructor kills and reaps.
class Process {
 public:
  /// Starts arguments[0], looked up in PATH. Throws std::system_error if it cannot be executed.
  explicit Process(std::vector<std::string> arguments, ProcessOptions options = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] bool running();
  /// Does nothing if the process has already been reaped.
  void signal(int number);
  /// SIGKILL, and waits until the process is gone.
  void kill_hard();
  /// How it ended, or nothing if it still runs after `patience`.
  [[nodiscard]] std::optional<ExitStatus> wait(std::chrono::milliseconds patience);
  /// wait() for those who expect an end: throws std::runtime_error with the captured output if
  /// there is none.
  [[nodiscard]] ExitStatus wait_or_throw(std::chrono::milliseconds patience);

  /// What it has written so far; also while it runs.
  [[nodiscard]] std::string output() const;
  [[nodiscard]] std::string error_output() const;
  /// False if the process no longer reads.
  [[nodiscard]] bool write_stdin(std::string_view text);
  void close_stdin() noexcept { stdin_.reset(); }

 private:
  std::vector<std::string> arguments_;
  Descriptor stdin_;
  Descriptor stdout_;
  Descriptor stderr_;
  pid_t pid_ = -1;
  std::optional<ExitStatus> status_;
};

/// What a finished command left.
struct Outcome {
  ExitStatus status;
  std::string output;
  std::string error_output;
};

/// Runs a command to its end. Throws std::runtime_error if that takes longer than `patience`.
[[nodiscard]] Outcome run(std::vector<std::string> arguments, ProcessOptions options = {},
                          std::chrono::milliseconds patience = std::chrono::seconds{60});

}  // namespace lockstep::test
