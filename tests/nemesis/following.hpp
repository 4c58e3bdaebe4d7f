// The product under test, as one process or two, kept alive whatever happens to it.
#pragma once

#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/nemesis/faults.hpp"
#include "tests/support/process.hpp"

namespace lockstep::nemesis {

class Following {
 public:
  /// Each of `commands` is the arguments of one process of lockstep, `environment` is added to
  /// each one's. With each start a failpoint may be set.
  Following(std::vector<std::vector<std::string>> commands, std::vector<std::string> environment,
            std::string folder, std::vector<std::string> failpoints, std::mt19937_64& random);

  /// Starts what does not run. A process may end by a signal of ours or for a reason that lies in
  /// the faults; throws std::runtime_error with its words if it ended otherwise.
  void keep_running();
  /// A random one of the processes.
  [[nodiscard]] test::Process& any();
  /// One more process with the same arguments as a random one.
  void duplicate();
  /// Continues whatever was stopped.
  void resume_all();
  /// No more failpoints: what runs with one is started anew.
  void heal();
  /// SIGTERM for all; throws if one does not end well.
  void end();
  /// From now on a process may end for that reason as well, which asks for a new copy.
  void allow(std::string_view reason) { allowed_.insert(std::string(reason)); }
  /// Whether one ended for such a reason since the last kill_all().
  [[nodiscard]] bool asks_for_new_copy() const { return asks_; }
  /// SIGKILL for all of them, before a new copy is begun.
  void kill_all();

  /// Ends by reason.
  [[nodiscard]] const std::map<std::string, int>& ends() const { return ends_; }
  [[nodiscard]] std::map<std::string, int> hits() const;  ///< failpoints that were passed
  [[nodiscard]] std::map<std::string, int> strikes() const;
  /// What all processes have said last.
  [[nodiscard]] std::string words() const;

 private:
  struct Slot {
    std::vector<std::string> arguments;
    std::unique_ptr<test::Process> process;
    std::string failpoint;
  };
  void start(Slot& slot);
  void note_end(const std::vector<std::string>& arguments, test::Process& process);

  std::vector<std::string> environment_;
  std::string folder_;
  std::vector<std::string> failpoints_;
  std::mt19937_64& random_;
  bool healing_ = false, asks_ = false;
  std::set<std::string> allowed_;
  std::vector<Slot> slots_;
  std::vector<std::unique_ptr<test::Process>> duplicates_;
  std::map<std::string, int> ends_;
};

}  // namespace lockstep::nemesis
