// Everything between "run" and the first trigger: where do both sides stand, what can be carried,
// what is refused.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apply/dual_write.hpp"
#include "apply/guard.hpp"
#include "apply/hooks.hpp"
#include "capture/install.hpp"
#include "config/settings.hpp"
#include "link/postgres/connection.hpp"
#include "link/wire/control.hpp"
#include "model/bad_value.hpp"
#include "ops/attempt.hpp"
#include "ops/continuous.hpp"
#include "ops/endpoint.hpp"
#include "ops/screen.hpp"

namespace lockstep::ops {

struct RunRequest {
  std::string source;                           ///< as typed
  std::string target;                           ///< as typed
  std::vector<std::string> tables;              ///< globs; empty: all
  std::vector<std::string> exclude;             ///< globs
  std::vector<config::ExpectedTable> expect{};  ///< looked at before a first start
  std::optional<RuleSet> rules{};               ///< nothing: no configuration was given
  std::string schema;  ///< empty: the DSN's, else the one of the running migration, else public
  bool until_caught_up = false;
  bool accept_target = false;     ///< another database than before is the target from now on
  std::string on_existing_row{};  ///< fail, update or skip; empty: see ops/existing_rows.hpp
  apply::Hooks hooks{};
  ContinuousPasses continuous{};
  BadValuePolicy on_bad_value{};
  apply::GuardMode guard = apply::GuardMode::reject;
  std::optional<apply::DualChoice> dual_write{};  ///< nothing: no configuration was given
};

/// What a run needs to start or to go on.
struct Prepared {
  std::string path;
  std::string migration;
  std::string schema;
  capture::Installed installed;
  postgres::Connection connection;  ///< holds the migration's lock
  bool accept_target = false;
  apply::Hooks hooks{};
  apply::GuardMode guard = apply::GuardMode::reject;
  ContinuousPasses continuous{};
  std::optional<apply::DualChoice> dual_write{};
};

/// Finds out whether this is a first run or goes on with an earlier one. First run: census, then
/// every refusal at once (LS-A100, exit 3, nothing installed), then ledger, triggers, target
/// tables, in an order in which kill -9 between any two steps leaves something this function can go
/// on from. The caller holds the source's lock file.
/// May be called again after an Error, with the same `attempt`.
[[nodiscard]] Prepared prepare(const RunRequest& request, Attempt& attempt, Screen& screen);

/// The choices of a start after a cutover: what is followed back is settled. Throws LS-R702 if they
/// are others than the migration was started with, as prepare() does, and tells of words that name
/// nothing (LS-X674).
void check_choices_after_cutover(const RunRequest& request, Screen& screen);

/// The two halves of a migration whose capture and apply are two processes. Capture installs
/// without knowing the target; apply makes ledger and tables from what capture's welcome says.
struct CaptureRequest {
  std::string source;                           ///< as typed
  TypedEndpoint endpoint;                       ///< where apply connects
  std::vector<std::string> tables;              ///< globs; empty: all
  std::vector<std::string> exclude;             ///< globs
  std::vector<config::ExpectedTable> expect{};  ///< looked at before a first start
  std::optional<RuleSet> rules{};               ///< nothing: no configuration was given
  BadValuePolicy on_bad_value{};
};
struct PreparedSource {
  std::string path;
  capture::Installed installed;
};
/// The caller holds the source's lock file.
[[nodiscard]] PreparedSource prepare_source(const CaptureRequest& request, Screen& screen);

struct ApplyRequest {
  std::string target;      ///< as typed
  TypedEndpoint endpoint;  ///< where capture listens
  std::string schema;      ///< empty: the ledger's, else the DSN's, else public
  bool until_caught_up = false;
  bool accept_target = false;
  apply::Hooks hooks{};
  apply::GuardMode guard = apply::GuardMode::reject;
  ContinuousPasses continuous{};
  std::optional<apply::DualChoice> dual_write{};  ///< nothing: no configuration was given
};
struct PreparedTarget {
  std::string migration;
  std::string schema;
  std::string source_id;
  std::string source;               ///< path on the source's host
  postgres::Connection connection;  ///< holds the migration's lock
};
/// May be called again after an Error, with the same `attempt`.
[[nodiscard]] PreparedTarget prepare_target(const ApplyRequest& request,
                                            const wire::Welcome& welcome, Attempt& attempt,
                                            Screen& screen);

}  // namespace lockstep::ops
