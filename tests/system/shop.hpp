// A small application whose writers are moved between SQLite and PostgreSQL, and what is asked of
// it afterwards.
#pragma once

#include <string>
#include <vector>

#include "tests/system/moving_writer.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {

PostgresServer& server();

std::string postgres_value(const std::string& dsn, const std::string& sql);

class Shop {
 public:
  explicit Shop(const std::string& name, const std::string& journal = "WAL")
      : Shop(OnServer{server().create_database(name)}, journal) {}

  struct OnServer {
    std::string dsn;
  };
  explicit Shop(OnServer place, const std::string& journal = "WAL");

  void follow(ProcessOptions options = {}, const std::vector<std::string>& more = {});
  Process& run() { return *run_; }
  void stop_following();

  Outcome move(const std::string& direction, const std::vector<std::string>& more = {},
               ProcessOptions options = {});

  /// Until its gates are open: lockstep may be about to change direction.
  double moved(const std::string& direction);

  static std::vector<std::string> lines(const std::string& text);

  /// Before the first switch SQLite has the writers, and nothing is decided.
  [[nodiscard]] std::string sqlite_role() const;
  [[nodiscard]] std::string sqlite_decision() const { return in_switch("decision"); }
  /// Of the newest attempt in that direction.
  [[nodiscard]] std::string decision(bool forward) const;
  [[nodiscard]] std::string postgres_role() const;
  /// Settled: one side writes, the other follows.
  [[nodiscard]] bool settled() const;

  /// Where its file says that the writers are; no file before the first switch.
  [[nodiscard]] std::string route() const;

  /// Everything acknowledged is on the open side, once; nothing else but what was in doubt.
  void judge(const MovingWriter::Seen& seen);

  /// Both sides hold the same, by a judge that shares no code.
  void equal();

  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& dsn() const { return dsn_; }

 private:
  [[nodiscard]] std::string in_switch(const std::string& column) const;

  TempDir folder_;
  std::string file_, dsn_;
  std::unique_ptr<Process> run_;
};

bool is_stopped(const Process& process);

}  // namespace lockstep::test
