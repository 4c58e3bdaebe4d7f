#include "tests/nemesis/following.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace lockstep::nemesis {

using test::ExitStatus;
using test::Process;
using namespace std::chrono_literals;

namespace {

/// What may end lockstep in a run: its two sides were taken away while it started, or another one
/// is at work.
constexpr std::array<std::string_view, 10> kReasons{"LS-T201", "LS-T202", "LS-T205", "LS-T209",
                                                    "LS-S309", "LS-R701", "LS-R704", "LS-R798",
                                                    "LS-W508", "LS-W509"};

}  // namespace

Following::Following(std::vector<std::vector<std::string>> commands,
                     std::vector<std::string> environment, std::string folder,
                     std::vector<std::string> failpoints, std::mt19937_64& random)
    : environment_(std::move(environment)),
      folder_(std::move(folder)),
      failpoints_(std::move(failpoints)),
      random_(random) {
  for (std::vector<std::string>& command : commands)
    slots_.push_back({std::move(command), nullptr, ""});
}

void Following::start(Slot& slot) {
  slot.failpoint = healing_ ? "" : draw_failpoint(random_, failpoints_);
  std::vector<std::string> arguments{LOCKSTEP_BINARY};
  arguments.insert(arguments.end(), slot.arguments.begin(), slot.arguments.end());
  test::ProcessOptions options{.environment = environment_};
  options.environment.insert(
      options.environment.end(),
      {"LOCKSTEP_FAILPOINT_TRACE=" + folder_ + "/trace",
       slot.failpoint.empty() ? "LOCKSTEP_FAILPOINTS" : "LOCKSTEP_FAILPOINTS=" + slot.failpoint});
  slot.process = std::make_unique<Process>(std::move(arguments), std::move(options));
}

// Killed, told to stop (perhaps before it listens to signals), or for a reason that lies in the
// faults.
void Following::note_end(const std::vector<std::string>& arguments, Process& process) {
  const ExitStatus status = *process.wait(20s);
  if (status.signal == SIGKILL || status.signal == SIGTERM || status.code == 143) {
    ++ends_[status.signal == SIGKILL ? "killed" : "told to stop"];
    return;
  }
  const std::string words = process.output() + process.error_output();
  for (const std::string& reason : allowed_) {
    if (!status.code || words.find("error[" + reason + "]") == std::string::npos) continue;
    ++ends_[fmt::format("{} ({})", reason, *status.code)];
    asks_ = true;
    return;
  }
  for (const std::string_view reason : kReasons) {
    if (!status.code || words.find(reason) == std::string::npos) continue;
    ++ends_[fmt::format("{} ({})", reason, *status.code)];
    return;
  }
  throw std::runtime_error(fmt::format("lockstep {} ended with {} {}: {}",
                                       fmt::join(arguments, " "), status.code ? "code" : "signal",
                                       status.code ? *status.code : *status.signal, words));
}

void Following::keep_running() {
  for (Slot& slot : slots_) {
    if (slot.process && slot.process->running()) continue;
    if (slot.process) note_end(slot.arguments, *slot.process);
    start(slot);
  }
  for (auto& duplicate : duplicates_)
    if (!duplicate->running()) {
      note_end({"(a second one)"}, *duplicate);
      duplicate.reset();
    }
  std::erase(duplicates_, nullptr);
}

Process& Following::any() {
  return *slots_[random_() % slots_.size()].process;
}

void Following::duplicate() {
  std::vector<std::string> arguments{LOCKSTEP_BINARY};
  const Slot& slot = slots_[random_() % slots_.size()];
  arguments.insert(arguments.end(), slot.arguments.begin(), slot.arguments.end());
  duplicates_.push_back(std::make_unique<Process>(
      std::move(arguments), test::ProcessOptions{.environment = environment_}));
}

void Following::resume_all() {
  for (Slot& slot : slots_)
    if (slot.process) slot.process->signal(SIGCONT);
}

void Following::kill_all() {
  for (Slot& slot : slots_) {
    if (slot.process && slot.process->running()) slot.process->kill_hard();
    if (slot.process) note_end(slot.arguments, *slot.process);
    slot.process.reset();
  }
  for (auto& duplicate : duplicates_) duplicate->kill_hard();
  duplicates_.clear();
  asks_ = false;
}

void Following::heal() {
  healing_ = true;
  resume_all();
  for (auto& duplicate : duplicates_) duplicate->kill_hard();
  duplicates_.clear();
  for (Slot& slot : slots_)
    if (slot.process && !slot.failpoint.empty()) {
      slot.process->kill_hard();
      ++ends_["killed"];
      slot.process.reset();
    }
  keep_running();
}

void Following::end() {
  for (Slot& slot : slots_) slot.process->signal(SIGTERM);
  for (Slot& slot : slots_) {
    const ExitStatus status = slot.process->wait_or_throw(20s);
    // One that has just been started again is told before it listens to signals.
    const bool told = status.code == 143 || status.signal == SIGTERM;
    if (!told) throw std::runtime_error("lockstep did not end well: " + words());
  }
}

// A line "name" says that it was passed; "name action" what was done there.
std::map<std::string, int> Following::hits() const {
  std::map<std::string, int> hits;
  std::ifstream file(folder_ + "/trace");
  for (std::string line; std::getline(file, line);)
    if (line.find(' ') == std::string::npos) ++hits[line];
  return hits;
}

std::map<std::string, int> Following::strikes() const {
  std::map<std::string, int> strikes;
  std::ifstream file(folder_ + "/trace");
  for (std::string line; std::getline(file, line);)
    if (const std::size_t end = line.find(' '); end != std::string::npos)
      ++strikes[line.substr(0, end)];
  return strikes;
}

std::string Following::words() const {
  std::string words;
  for (const Slot& slot : slots_)
    words += fmt::format("[{}] {} failpoint '{}'\n{}{}\n", fmt::join(slot.arguments, " "),
                         slot.process ? slot.process->pid() : 0, slot.failpoint,
                         slot.process ? slot.process->output() : "",
                         slot.process ? slot.process->error_output() : "");
  return words;
}

}  // namespace lockstep::nemesis
