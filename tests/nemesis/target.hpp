// PostgreSQL as the runs of one worker meet it: a server, the disk below it, sometimes a standby.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/postgres_server.hpp"
#include "tests/support/temp_dir.hpp"

namespace lockstep::nemesis {

class Target {
 public:
  Target();

  /// The one that takes writes now.
  [[nodiscard]] test::PostgresServer& server() { return standby_leads_ ? *standby_ : first_; }
  /// For lockstep: both servers, if there is a standby.
  [[nodiscard]] std::string address(const std::string& database) const;

  /// An asynchronous standby with all that is there now. Needs the first server to lead.
  void add_standby();
  /// The first server dies and the standby is promoted. What is committed within `behind` before
  /// that the standby does not have; 0: only what it had not got yet.
  void fail_over(std::chrono::milliseconds behind);

  /// Of the one that takes writes: until room_again() no file below a folder of that name ("base",
  /// "pg_wal") can grow.
  void fill_disk(std::string_view folder);
  void room_again();
  /// The disk of the WAL is full for so long: the server panics, and is there again afterwards.
  void panic(std::chrono::milliseconds time);

  /// As it was before a run: the first server alone.
  void settle();

 private:
  [[nodiscard]] std::vector<std::string> environment(const char* full) const;

  test::TempDir folder_;
  test::PostgresServer first_;
  std::unique_ptr<test::PostgresServer> standby_;
  bool standby_leads_ = false, first_is_down_ = false;
};

}  // namespace lockstep::nemesis
