// Builds a table's indexes on the target, two at a time where that pays.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"

namespace lockstep::ops {

/// One sort keeps one core busy; two sessions build two indexes of the same table side by side. The
/// second session is opened when the first large table asks for it.
class IndexBuilder {
 public:
  /// Each statement commits on its own; all are done when this returns.
  /// `connection` must not be in a transaction. Throws the first Error of either session.
  void build(postgres::Connection& connection, const std::vector<std::string>& statements);

  /// Gives the second session back.
  void close();

  /// From another thread: ends the second session's statement.
  void cancel();

 private:
  postgres::Connection& helper(const postgres::Dsn& dsn);

  std::mutex mutex_;  // cancel() against helper()
  std::optional<postgres::Connection> helper_;
};

}  // namespace lockstep::ops
