#include "tests/support/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <tuple>
#include <utility>

#include "tests/support/wait_until.hpp"

namespace lockstep::test {
namespace {

[[noreturn]] void fail(const std::string& doing) {
  throw std::system_error(errno, std::generic_category(), doing);
}

Descriptor opened(int number, const std::string& doing) {
  if (number < 0) fail(doing);
  return Descriptor{number};
}

std::pair<Descriptor, Descriptor> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe2");
  return {Descriptor{ends[0]}, Descriptor{ends[1]}};
}

Descriptor open_output(const std::string& path, const char* name) {
  if (path.empty()) return opened(::memfd_create(name, MFD_CLOEXEC), "memfd_create");
  return opened(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666),
                "open " + path);
}

std::string read_all(int descriptor) {
  std::string text;
  std::array<char, 65'536> buffer{};
  for (;;) {
    const ssize_t got =
        ::pread(descriptor, buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("pread");
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

std::string_view name_of(std::string_view setting) {
  return setting.substr(0, setting.find('='));
}

std::vector<std::string> merged_environment(const std::vector<std::string>& changes) {
  std::vector<std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    bool replaced = false;
    for (const auto& change : changes) replaced = replaced || name_of(change) == name_of(*entry);
    if (!replaced) merged.emplace_back(*entry);
  }
  for (const auto& change : changes)
    if (change.find('=') != std::string::npos) merged.push_back(change);
  return merged;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (auto& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

/// Everything the child needs, made before the fork: after it, only async-signal-safe calls are
/// allowed.
struct Launch {
  char** arguments;
  char** environment;
  const ProcessOptions* options;
  std::array<int, 3> standard;
  int failure;  ///< the child writes errno here if it cannot exec
  pid_t parent;
};

bool become_child(const Launch& launch) {
  const ProcessOptions& options = *launch.options;
  for (int number = 0; number < 3; ++number)
    if (::dup2(launch.standard[static_cast<std::size_t>(number)], number) < 0) return false;
  if (options.own_session && ::setsid() < 0) return false;
  if (options.group && (::setgroups(0, nullptr) != 0 || ::setgid(*options.group) != 0))
    return false;
  if (options.user && ::setuid(*options.user) != 0) return false;
  if (!options.directory.empty() && ::chdir(options.directory.c_str()) != 0) return false;
  if (options.dies_with_us) {  // after setuid, which clears it
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return false;
    if (::getppid() != launch.parent) ::_exit(127);  // the parent was already gone
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // Who runs the tests may have had them ignored: a shell does that for its `&`, and nohup.
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) ::signal(number, SIG_DFL);
  ::execvpe(launch.arguments[0], launch.arguments, launch.environment);
  return false;
}

pid_t launch_child(const Launch& launch) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  static_cast<void>(become_child(launch));
  const int reason = errno;
  static_cast<void>(!::write(launch.failure, &reason, sizeof reason));
  ::_exit(127);
}

ExitStatus decoded(int raw) {
  if (WIFEXITED(raw)) return {.code = WEXITSTATUS(raw)};
  return {.signal = WTERMSIG(raw)};
}

}  // namespace

Descriptor::Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    reset();
    number_ = std::exchange(other.number_, -1);
  }
  return *this;
}

void Descriptor::reset() noexcept {
  if (number_ >= 0) ::close(std::exchange(number_, -1));
}

Process::Process(std::vector<std::string> arguments, ProcessOptions options)
    : arguments_(std::move(arguments)),
      stdout_(open_output(options.stdout_path, "stdout")),
      stderr_(open_output(options.stderr_path, "stderr")) {
  if (arguments_.empty()) throw std::invalid_argument("a process needs a program");
  Descriptor child_stdin;
  if (options.own_stdin) {
    std::tie(child_stdin, stdin_) = make_pipe();
  } else {
    child_stdin = opened(::open("/dev/null", O_RDONLY | O_CLOEXEC), "open /dev/null");
  }
  auto [failure_read, failure_write] = make_pipe();
  auto environment = merged_environment(options.environment);
  auto argument_pointers = pointers(arguments_);
  auto environment_pointers = pointers(environment);
  pid_ = launch_child({.arguments = argument_pointers.data(),
                       .environment = environment_pointers.data(),
                       .options = &options,
                       .standard = {child_stdin.get(), stdout_.get(), stderr_.get()},
                       .failure = failure_write.get(),
                       .parent = ::getpid()});
  if (pid_ < 0) fail("fork");
  failure_write.reset();
  int reason = 0;
  ssize_t got = 0;
  do got = ::read(failure_read.get(), &reason, sizeof reason);
  while (got < 0 && errno == EINTR);
  if (got == 0) return;  // closed by a successful exec
  kill_hard();
  errno = reason;
  fail("start " + arguments_.front());
}

Process::~Process() {
  if (pid_ > 0 && !status_) kill_hard();
}

bool Process::running() {
  return !wait(std::chrono::milliseconds{0}).has_value();
}

void Process::signal(int number) {
  if (!status_) ::kill(pid_, number);
}

void Process::kill_hard() {
  if (status_) return;
  ::kill(pid_, SIGKILL);
  int raw = 0;
  while (::waitpid(pid_, &raw, 0) < 0 && errno == EINTR) {
  }
  status_ = decoded(raw);
}

std::optional<ExitStatus> Process::wait(std::chrono::milliseconds patience) {
  const bool ended = wait_until(
      [this] {
        if (status_) return true;
        int raw = 0;
        const pid_t answer = ::waitpid(pid_, &raw, WNOHANG);
        if (answer < 0 && errno != EINTR) fail("waitpid");
        if (answer != pid_) return false;
        status_ = decoded(raw);
        return true;
      },
      patience);
  return ended ? status_ : std::nullopt;
}

ExitStatus Process::wait_or_throw(std::chrono::milliseconds patience) {
  if (const auto status = wait(patience)) return *status;
  throw std::runtime_error(fmt::format("still running after {} ms: {}\nstdout: {}\nstderr: {}",
                                       patience.count(), fmt::join(arguments_, " "), output(),
                                       error_output()));
}

std::string Process::output() const {
  return read_all(stdout_.get());
}
std::string Process::error_output() const {
  return read_all(stderr_.get());
}

bool Process::write_stdin(std::string_view text) {
  sigset_t pipe_signal;
  sigset_t before;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  bool written = true;
  while (written && !text.empty()) {
    const ssize_t count = ::write(stdin_.get(), text.data(), text.size());
    if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
    written = count > 0 || errno == EINTR;
  }
  if (!written && errno == EPIPE) {  // take the signal back before it is let through
    const timespec now{};
    ::sigtimedwait(&pipe_signal, nullptr, &now);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return written;
}

Outcome run(std::vector<std::string> arguments, ProcessOptions options,
            std::chrono::milliseconds patience) {
  Process process{std::move(arguments), std::move(options)};
  const ExitStatus status = process.wait_or_throw(patience);
  return {status, process.output(), process.error_output()};
}

}  // namespace lockstep::test
