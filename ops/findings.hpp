// What stands in the way of a table, what a person should decide, and by which words. Pure.
#pragma once

#include <string>
#include <vector>

#include "ops/assessment.hpp"

namespace lockstep::ops {

enum class Severity { blocker, decision, warning };

[[nodiscard]] std::string_view to_string(Severity severity);

/// How a decision about what a table does not get begins.
inline constexpr char kDataExact[] = "data exact; PostgreSQL does not get: ";
/// The code of the one decision about all foreign keys that wait.
inline constexpr char kWaitingKeys[] = "LS-A114";

struct Finding {
  Severity severity = Severity::warning;
  std::string code{};    ///< explained in ops/ERRORS.md
  std::string table{};   ///< empty: of the whole database
  std::string column{};  ///< empty: of the whole table
  std::string what{};
  std::vector<std::string> examples{};  ///< rows with their keys
  std::string decide_flag{};            ///< the words that decide it on the command line
  std::string decide_config{};          ///< the same as a line of the configuration file

  [[nodiscard]] std::string place() const;  ///< "orders.total"
};

/// One object of type finding.
[[nodiscard]] std::string finding_json(const Finding& finding);

/// Of one table, blockers first. `number` tells it from all other tables of the assessment.
[[nodiscard]] std::vector<Finding> findings_of(const TableFacts& table, std::size_t number);
/// Of all tables, blockers first; also what is skipped and warned of.
[[nodiscard]] std::vector<Finding> all_findings(const Assessment& assessment);

/// A configuration that decides every blocker, the lines of all of them in one file, indented;
/// empty if none has such a line.
[[nodiscard]] std::string deciding_config(const std::vector<Finding>& findings);

/// What a column becomes on PostgreSQL, and why; `type` is empty if nothing holds it exactly.
struct Proposal {
  std::string type;
  std::string reason;
};
[[nodiscard]] Proposal proposal_for(const TableFacts& table, std::size_t column);

/// The `type` of a rule by which a text or bigint column would get what its values mean:
/// "timestamptz", "epoch-ms". Nothing has to be done. Empty: there is none.
[[nodiscard]] std::string possible_type(const TableFacts& table, std::size_t column);

}  // namespace lockstep::ops
