// SQL of somebody else on a connection of ours: it may read some tables, for some time, and do
// nothing else.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "link/sqlite/database.hpp"
#include "model/clock.hpp"

namespace lockstep::sqlite {

struct ReadableTable {
  std::string name;
  std::set<std::string> personal;  ///< columns with personal data
};

/// From its making to its end the connection prepares only statements that read these tables, views
/// of them: no write, no other table, no pragma, no ATTACH, no transaction. What
/// runs longer than `patience` is interrupted, and a value is at most 16 MiB. The Database outlives
/// it; the thread is that of the Database.
class ReadGuard {
 public:
  ReadGuard(Database& database, const std::vector<ReadableTable>& tables, Milliseconds patience);
  ~ReadGuard();
  ReadGuard(const ReadGuard&) = delete;
  ReadGuard& operator=(const ReadGuard&) = delete;

  /// What a statement wanted and may not do, for people; empty: nothing.
  [[nodiscard]] const std::string& denied() const;
  [[nodiscard]] bool timed_out() const;
  /// False: something follows the first statement of the text.
  [[nodiscard]] bool is_one_statement(std::string_view sql);
  /// A column with personal data was named since the last call.
  [[nodiscard]] bool take_personal();

 private:
  struct State;
  Database& database_;
  std::unique_ptr<State> state_;
  int length_before_ = 0;
};

}  // namespace lockstep::sqlite
