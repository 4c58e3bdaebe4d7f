// What one configuration file says. Empty members: it does not say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/rule.hpp"

namespace lockstep::config {

/// A table that has to be there before anything starts, with so many rows.
struct ExpectedTable {
  std::string table;
  std::optional<std::int64_t> rows_min;
  std::optional<std::int64_t> rows_max;
};

/// SQL for the target: a text, or the file that has it.
struct HookEntry {
  std::string sql;
  std::string file;  ///< not empty: `sql` is read from it by whoever knows the folder
};

/// A table that the application writes on both sides at once.
struct DualWriteSetting {
  std::string table;   ///< as SQLite stored the name
  std::string policy;  ///< "source", "skip", "fail"
};

/// What is said of one column.
struct ColumnSetting {
  std::string column;        ///< "table.column"
  std::string on_bad_value;  ///< "stop", "quarantine", "text"
  bool pii = false;          ///< nobody is shown its values
};

/// A pair of queries, and what is expected of their answers.
struct Validator {
  std::string name, source, target;
  std::string expect;  ///< "equal", "<=", "no-rows", "within N%"
};

/// A finding of `verify` that somebody answers for.
struct Waiver {
  std::string check;  ///< its code
  std::string table;  ///< a glob; of a validator, its name
  std::uint64_t rows_max = 1;
  std::string reason, by;
  std::string until;  ///< the last day, YYYY-MM-DD in UTC
};

/// Passes of verification without being asked for. Nothing, empty: the default.
struct VerifySetting {
  std::optional<bool> continuous;
  std::optional<std::int64_t> rows_per_second;
  std::optional<double> cpu_share;
  std::string every, pause_when_lag;  ///< durations
};

/// A check of the owner's own before a switch: a command, or a query on one side.
struct GateSetting {
  std::string name;
  std::vector<std::string> command;  ///< a program and its arguments; of a text: sh -c
  std::string source_sql, target_sql;
  std::string expect;  ///< of a query: "true" or "no-rows"
};

/// What `cutover` and `rollback` ask for. Empty: the default.
struct SwitchSetting {
  std::string max_pause, max_lag, verify_max_age;  ///< durations
  std::vector<GateSetting> gates;
};

struct Settings {
  std::string source;  ///< as people write a path; relative to the file's folder
  std::string target;  ///< as people write a DSN
  std::string schema;
  std::string guard;                 ///< reject, detect or off
  std::vector<std::string> include;  ///< globs
  std::vector<std::string> exclude;  ///< globs
  std::vector<ExpectedTable> expect;
  /// What "columns", "tables.rename" and "tables.add" say; nothing if there is no file at all.
  std::optional<RuleSet> rules{};
  std::vector<DualWriteSetting> dual_write{};
  std::vector<HookEntry> after_schema{}, after_snapshot{};
  std::string on_existing_row;  ///< fail, update or skip
  std::string on_bad_value;     ///< of every column that `columns` does not name
  std::vector<ColumnSetting> columns;
  VerifySetting verify{};
  std::vector<Validator> validators{};
  std::vector<Waiver> waivers{};
  SwitchSetting cutover{}, rollback{};
  std::string hooks_dir{};  ///< relative to the file's folder
};

}  // namespace lockstep::config
