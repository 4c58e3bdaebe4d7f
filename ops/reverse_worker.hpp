// Follows PostgreSQL into SQLite after a cutover: rounds of the reverse feed, one thread.
#pragma once

#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "link/sqlite/file_guard.hpp"
#include "ops/board.hpp"
#include "ops/continuous.hpp"
#include "ops/fence_watch.hpp"
#include "ops/reverse_verifier.hpp"
#include "switchover/reverse_feed.hpp"

namespace lockstep::ops {

struct ReverseOptions {
  std::string path;  ///< of the SQLite file
  postgres::Dsn dsn;
  std::string migration, schema;
  ContinuousPasses continuous{};
};

class ReverseWorker {
 public:
  /// Board must outlive the worker.
  ReverseWorker(ReverseOptions options, Board& board);

  /// Works until asked to stop, or until an Error that a person must look at: then Board::fail()
  /// has it. A lost server is connected to anew after a pause.
  void run(const std::stop_token& stop);
  /// From another thread: ends a long statement after stop was requested.
  void cancel();

 private:
  void follow(const std::stop_token& stop);
  /// Comparisons go on with this feed; what they know is shown.
  void begin_verifying(sqlite::Database& sqlite);
  void rounds(switchover::ReverseFeed& feed, sqlite::Database& sqlite,
              const std::vector<TablePlan>& plans, const std::stop_token& stop);
  void show(const switchover::ReverseRound& round);
  void tell_read_anew(const std::vector<std::string>& tables);
  void tell_what_waits();
  [[nodiscard]] Milliseconds counted_for() const;
  /// Once a second: the file is still the one that was opened, tables that were altered on
  /// PostgreSQL are logged anew, and SQLite's fence is looked at.
  void look_around(sqlite::Database& sqlite, const std::vector<TablePlan>& plans);

  ReverseOptions options_;
  Board& board_;
  sqlite::FileGuard file_;
  std::mutex connection_mutex_;  // cancel() against follow()
  std::optional<postgres::Connection> connection_;
  SteadyTime last_change_{}, next_look_{}, round_began_{};
  FenceWatch fence_;
  std::optional<ReverseVerifier> verifier_;  // from the first feed on
};

}  // namespace lockstep::ops
