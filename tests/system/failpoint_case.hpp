// One migration that is struck at failpoints while an application writes: what the sweep repeats.
// Several run side by side in threads, so nothing here asserts: what is wrong is thrown.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/system/pruning_run.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {

inline void must(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

/// One process of lockstep, with one failpoint armed.
struct Strike {
  std::string point;
  std::string action;  ///< kill, abort, stop, error, delay:MS
  int hit = 1;
  std::string prelude =
      {};                   ///< further failpoints, without which this one is not reached; or empty
  bool other_dies = false;  ///< while this side is stopped, the other is killed and started anew

  [[nodiscard]] std::string armed() const {
    const std::string own = fmt::format("{}={}@{}", point, action, hit);
    return prelude.empty() ? own : prelude + ";" + own;
  }
  [[nodiscard]] std::string_view verb() const {
    return std::string_view(action).substr(0, action.find(':'));
  }
  [[nodiscard]] bool deadly() const { return action == "kill" || action == "abort"; }
};

/// How lockstep is started: as one process, as two, or as one that prunes at every turn.
enum class Form { run, apart, pruning };

struct Script {
  std::string name;  ///< of file, database and migration
  Form form = Form::run;
  std::string journal = "wal";
  std::uint64_t seed = 1;
  std::vector<Strike> strikes;
  [[nodiscard]] std::string shown() const {
    std::string text = fmt::format("{} ({}, {}):", name,
                                   form == Form::run     ? "run"
                                   : form == Form::apart ? "capture and apply"
                                                         : "run that prunes",
                                   journal);
    for (const Strike& strike : strikes) text += " " + strike.armed();
    return text;
  }
};

/// Hits by failpoint over all processes, and observations, of one script.
struct Struck {
  std::map<std::string, int> hits;
  std::int64_t observations = 0, states = 0, commits = 0;
};

class StruckMigration {
 public:
  /// `source` is copied; `form == pruning` starts `pruner`.
  StruckMigration(const PostgresServer& server, const std::string& dsn, const std::string& source,
                  Script script)
      : server_(server),
        dsn_(dsn),
        script_(std::move(script)),
        file_(folder_.file(script_.name + ".db")),
        endpoint_("ipc://" + folder_.file("wire.sock")) {
    std::filesystem::copy_file(source, file_);
    sqlite(file_, "PRAGMA journal_mode = " + script_.journal);
  }

  Struck play() {
    // Where it prunes, the application must rest now and then.
    writer_ = tool({TOOL_WRITER, file_, "--until-stdin-closes", "--rate",
                    script_.form == Form::pruning ? "12" : "150", "--journal", script_.journal,
                    "--seed", std::to_string(script_.seed)});
    observer_ = tool({TOOL_OBSERVER, dsn_, "--until-stdin-closes", "--looks-min", "21"});
    for (const Strike& strike : script_.strikes) {
      try {
        play(strike);
      } catch (const std::exception& failure) {
        throw std::runtime_error(strike.armed() + ": " + failure.what() + said());
      }
    }
    try {
      finish();
    } catch (const std::exception& failure) {
      throw std::runtime_error(failure.what() + said());
    }
    return struck_;
  }

 private:
  static std::unique_ptr<Process> tool(std::vector<std::string> arguments) {
    return std::make_unique<Process>(std::move(arguments), clean({.own_stdin = true}));
  }

  static bool is_capture(const std::string& point) {
    return point.starts_with("cap.") || point == "snap.chunk_read" || point == "snap.chunk_sent" ||
           point == "verify.wanted" || point == "verify.handed_over" ||
           point == "verify.range_read";
  }

  /// Starts what is not running; `armed` goes to the side that `point` is on.
  void start(const std::string& armed, const std::string& point) {
    const auto options = [&](bool struck) {
      ProcessOptions own;
      if (struck) {
        trace_ = traces_folder_.file(fmt::format("trace-{}", traces_++));
        own.environment = {"LOCKSTEP_FAILPOINTS=" + armed, "LOCKSTEP_FAILPOINT_TRACE=" + trace_};
      }
      return own;
    };
    const bool arms = !point.empty();
    const bool on_capture = is_capture(point);
    if (script_.form == Form::apart) {
      if (!capture_)
        capture_ =
            start_lockstep({"capture", file_, "--listen", endpoint_}, options(arms && on_capture));
      if (!apply_)
        apply_ =
            start_lockstep({"apply", "--connect", endpoint_, dsn_}, options(arms && !on_capture));
      struck_process_ = on_capture ? &capture_ : &apply_;
      return;
    }
    if (!run_ && script_.form == Form::run)
      run_ = start_lockstep({"run", file_, dsn_}, options(arms));
    if (!run_) run_ = start_pruning_run(file_, dsn_, options(arms));
    struck_process_ = &run_;
  }

  void play(const Strike& strike) {
    stop_side(is_capture(strike.point));
    start(strike.armed(), strike.point);
    const std::string mark = strike.point + " " + std::string(strike.verb()) + "\n";
    if (script_.form == Form::pruning) give_it_something_to_prune();
    Process& process = **struck_process_;
    must(wait_until(
             [&] {
               if (is_of_verify(strike.point)) ask_for_pass();
               return (contents(trace_)).find(mark) != std::string::npos || !process.running();
             },
             40s, 10ms),
         "the failpoint was not reached");
    must(contents(trace_).find(mark) != std::string::npos,
         "lockstep ended before the failpoint was reached");
    if (strike.deadly()) {
      const ExitStatus status = process.wait_or_throw(10s);
      must(status.signal == (strike.action == "kill" ? SIGKILL : SIGABRT), "it died otherwise");
      reap(*struck_process_);
      start({}, {});
    } else if (strike.action == "stop") {
      must(wait_until([&] { return state(process.pid()) == 'T'; }, 10s), "it did not stop");
      std::this_thread::sleep_for(3s);  // the fault
      if (strike.other_dies) {
        std::unique_ptr<Process>& other = is_capture(strike.point) ? apply_ : capture_;
        other->kill_hard();
        other.reset();
        start({}, {});
      }
      process.signal(SIGCONT);
    }
    goes_on(strike);
    if (is_of_verify(strike.point)) prove_equal();
  }

  static bool is_of_verify(const std::string& point) { return point.starts_with("verify."); }

  /// One pass after the other; what becomes of those that are struck is not asked here.
  void ask_for_pass() {
    if ((asker_ && asker_->running()) || target_n() < 0) return;
    asker_ = start_lockstep({"verify", file_, dsn_});
  }

  /// A pass that was struck went on or was begun anew, and another one finds both sides equal.
  void prove_equal() {
    asker_.reset();
    const Outcome proof = run({LOCKSTEP_BINARY, "verify", file_, dsn_});
    must(proof.status.code == 0, "verify after it says: " + everything(proof));
    must(server_.value("SELECT count(*) FROM lockstep.verify_passes WHERE state IN ('different', "
                       "'failed')",
                       script_.name) == "0",
         "a pass that was struck came to another end than equal");
  }

  void give_it_something_to_prune() {
    must(wait_until([&] { return target_n() >= 0; }, 40s, 10ms), "it did not become consistent");
    sqlite(file_,
           "BEGIN IMMEDIATE; UPDATE ohlcv_data SET volume = volume WHERE id <= 1500; UPDATE "
           "counter SET n = n + 1; COMMIT");
  }

  /// A side that has been started before the strike has no failpoint armed: it is started anew.
  void stop_side(bool on_capture) {
    std::unique_ptr<Process>& side = script_.form != Form::apart ? run_
                                     : on_capture                ? capture_
                                                                 : apply_;
    if (!side) return;
    end(*side);
    reap(side);
  }

  void reap(std::unique_ptr<Process>& process) {
    last_words_ = process->output() + process->error_output();
    process.reset();
    count_hits();
  }

  void count_hits() {
    std::istringstream lines(contents(trace_));
    for (std::string line; std::getline(lines, line);)
      if (line.find(' ') == std::string::npos) ++struck_.hits[line];
    trace_.clear();
  }

  /// The target takes in what the source commits from now on. Lockstep may end by itself only where
  /// it lost the target while it was being set up; then a person starts it again.
  void goes_on(const Strike& strike) {
    reach(source_n(), strike);
    // The observer shall see some states of what comes after.
    reach(source_n() + (script_.form == Form::pruning ? 4 : 30), strike);
  }

  void reach(std::int64_t n, const Strike& strike) {
    const auto there = [&] {
      for (std::unique_ptr<Process>* process : {&run_, &capture_, &apply_}) {
        if (!*process || (*process)->running()) continue;
        const ExitStatus status = (*process)->wait_or_throw(1s);
        must(strike.action == "error" && strike.point == "apply.commit_sent" && status.code == 5,
             "lockstep ended by itself");
        reap(*process);
        start({}, {});
      }
      return target_n() >= n;
    };
    must(wait_until(there, 60s, 20ms), "it did not go on");
  }

  void finish() {
    const auto said = finish(*writer_);
    must(said["lost"] == 0 && said["errors"] == 0, "the application says " + said.dump());
    struck_.commits = said["acknowledged"];
    const std::int64_t last = source_n();
    must(wait_until([&] { return target_n() == last; }, 60s, 10ms), "it did not catch up");
    const Outcome compared = run({TOOL_COMPARE, file_, dsn_});
    must(compared.status.code == 0, "the sides differ: " + everything(compared));
    // A state is the position and what it stands for; the observer may not have seen the last yet.
    const auto seen = finish(*observer_);
    must(seen["violations"] == 0, "the observer saw " + seen.dump());
    must(seen["observations"].get<std::int64_t>() > 20, "the observer was not there");
    struck_.observations = seen["observations"];
    struck_.states = seen["states"];
    for (std::unique_ptr<Process>* process : {&run_, &apply_, &capture_}) {
      if (!*process) continue;
      end(**process);
      reap(*process);
    }
    must(
        server_.value("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated AND "
                      "connamespace = 'public'::regnamespace",
                      script_.name) == "2",
        "foreign keys are missing or not valid on the target");
    must(sqlite(file_, "PRAGMA integrity_check") == std::vector<std::string>{"ok"},
         "the source is damaged");
    must(sqlite(file_, "SELECT max(seq) - min(seq) + 1 - count(*) FROM _lockstep_changes") ==
             std::vector<std::string>{"0"},
         "changes are missing from the change table");
  }

  static nlohmann::json finish(Process& tool) {
    tool.close_stdin();
    const ExitStatus status = tool.wait_or_throw(30s);
    must(status.code.has_value() && !tool.output().empty(),
         "a tool failed: " + tool.output() + tool.error_output());
    return nlohmann::json::parse(tool.output());
  }

  static void end(Process& process) {
    process.signal(SIGTERM);
    const ExitStatus status = process.wait_or_throw(20s);
    must(status.code == 143, fmt::format("SIGTERM: ended with {}", status.code.value_or(-1)));
  }

  static char state(pid_t pid) {
    const std::string text = contents(fmt::format("/proc/{}/stat", pid));
    const std::size_t end = text.rfind(')');
    return end == std::string::npos || end + 2 >= text.size() ? '?' : text[end + 2];
  }

  std::int64_t source_n() { return std::stoll(sqlite(file_, "SELECT n FROM counter").front()); }

  /// -1 before the target is consistent.
  std::int64_t target_n() {
    try {
      const std::string n = server_.value(
          "SELECT n FROM counter WHERE (SELECT consistent FROM lockstep.ledger)", script_.name);
      return n.empty() ? -1 : std::stoll(n);
    } catch (const std::exception&) {  // there are no tables yet
      return -1;
    }
  }

  std::string said() {
    std::string text = "\n  before: " + last_words_;
    for (const std::unique_ptr<Process>* process : {&run_, &capture_, &apply_})
      if (*process) text += "\n  says: " + (*process)->output() + (*process)->error_output();
    return text;
  }

  const PostgresServer& server_;
  std::string dsn_;
  Script script_;
  TempDir folder_, traces_folder_;  // lockstep watches the folder of the file
  std::string file_, endpoint_, trace_, last_words_;
  int traces_ = 0;
  Struck struck_;
  std::unique_ptr<Process> writer_, observer_, run_, capture_, apply_, asker_;
  std::unique_ptr<Process>* struck_process_ = nullptr;
};

}  // namespace lockstep::test
