// The commands behind the command line. Each returns its exit code and throws Error for what a
// person must read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "model/clock.hpp"
#include "model/error.hpp"
#include "ops/assessment.hpp"
#include "ops/gates.hpp"
#include "ops/prepare.hpp"
#include "ops/roles.hpp"
#include "ops/screen.hpp"
#include "ops/signals.hpp"

namespace lockstep::ops {

[[nodiscard]] ExitCode command_run(const RunRequest& request, Screen& screen, Signals& signals);

/// The two ends of run as two processes: capture listens, apply connects.
[[nodiscard]] ExitCode command_capture(const CaptureRequest& request, Screen& screen,
                                       Signals& signals);
[[nodiscard]] ExitCode command_apply(const ApplyRequest& request, Screen& screen, Signals& signals);

/// Makes or shows a pair of key files.
struct KeysRequest {
  std::string file;
  bool generate = false;
  bool json = false;
};
[[nodiscard]] ExitCode command_keys(const KeysRequest& request, Screen& screen);

/// `side` is a SOURCE or a TARGET.
struct StatusRequest {
  std::string side;
  bool watch = false;
  Milliseconds stalled_after{30'000};  ///< silence of a part of lockstep that the status names
};
[[nodiscard]] ExitCode command_status(const StatusRequest& request, Screen& screen,
                                      Signals& signals);

struct WaitRequest {
  std::string side;
  std::string condition;  ///< "caught-up", "verified", "applied=POSITION"
  Milliseconds timeout{60'000};
};
[[nodiscard]] ExitCode command_wait(const WaitRequest& request, Screen& screen, Signals& signals);

struct VerifyRequest {
  std::string source, target;
  std::vector<std::string> tables;  ///< globs; empty: all
  std::uint64_t sample = 0;         ///< about so many rows of each table; 0: all
  std::string since{};              ///< a position: only what was written behind it; empty: all
  bool repair = false;              ///< what differs is written anew; only while lockstep follows
  bool yes = false;                 ///< without asking
  bool continuous = false;          ///< pass after pass, until one finds a difference
  bool counts = false;              ///< the numbers of rows, and no values
  bool checks = false;              ///< also columns, keys, indexes and sequences
  std::vector<config::Validator> validators{};
  std::vector<config::Waiver> waivers{};
  std::string html{}, junit{};  ///< files to write; empty: none
};
/// While a lockstep follows the source: a pass of it, at barriers. Else both sides at rest.
[[nodiscard]] ExitCode command_verify(const VerifyRequest& request, Screen& screen);

struct AssessRequest {
  std::string source;
  std::string target;  ///< may be empty
  std::string schema;  ///< empty: the DSN's, else public
  TableChoice choice{};
  std::string html;      ///< a file to write; empty: none
  bool columns = false;  ///< of every table
};
/// Reads every value and says what would happen; writes nothing on either side. Exit 3 if something
/// stands in the way.
[[nodiscard]] ExitCode command_assess(const AssessRequest& request, Screen& screen);

struct ConfigRequest {
  enum class What { validate, show, schema };
  What what = What::validate;
  std::string file;
};
[[nodiscard]] ExitCode command_config(const ConfigRequest& request, Screen& screen);

struct RemoveRequest {
  std::string source;
  std::string target;     ///< may be empty
  std::string confirm{};  ///< the migration's name: takes the fence off an old copy, too
};
[[nodiscard]] ExitCode command_remove(const RemoveRequest& request, Screen& screen);

struct DdlRequest {
  std::string source;  ///< as typed
  std::string target;  ///< as typed; empty: the one the source knows. Not of status
};
/// What changed in the schema since it was taken over, and what would happen. Exit 3 if a person
/// has to decide something. Touches nothing.
[[nodiscard]] ExitCode command_ddl_status(const DdlRequest& request, Screen& screen);
/// Dropped and renamed columns and tables are followed too; by the next run, on the target.
/// While a lockstep runs, it is asked to do that, where the schema was held.
/// The target's guard closes again.
[[nodiscard]] ExitCode command_ddl_accept(const DdlRequest& request, Screen& screen);

/// From now on schema changes are neither followed nor stopped at, until they are accepted; also
/// while a lockstep runs. The target's guard is open meanwhile.
[[nodiscard]] ExitCode command_ddl_hold(const DdlRequest& request, Screen& screen);
/// Rows that wait in quarantine. Without rows, tables and key: all of them.
struct QuarantineRequest {
  enum class What { list, show, retry, skip };
  What what = What::list;
  std::string source;               ///< as typed; may be empty if `target` is not
  std::string target;               ///< as typed; empty: the one the source knows
  std::vector<std::int64_t> rows;   ///< numbers
  std::vector<std::string> tables;  ///< globs
  std::string key;                  ///< as printed, or exact as in JSON
  bool all = false;                 ///< skip asks for it where nothing is named
};
[[nodiscard]] ExitCode command_quarantine(const QuarantineRequest& request, Screen& screen);

struct RolesRequest {
  RoleNames roles;
  std::string database;
  std::string schema = "public";
};
/// Prints SQL; connects to nothing.
[[nodiscard]] ExitCode command_roles(const RolesRequest& request, Screen& screen);

struct SchemaRequest {
  std::string source;    ///< as typed
  TableChoice choice{};  ///< with the rules of the configuration
  std::string schema{};  ///< empty: TARGET's, else public
  std::string target{};  ///< as typed; not of generate
  bool yes = false;      ///< of apply: nobody is asked
};
/// Prints the DDL of what a run would make on PostgreSQL; reads the source, connects to nothing.
[[nodiscard]] ExitCode command_schema_generate(const SchemaRequest& request, Screen& screen);
/// Where the target's tables are other than the source's, each by name and whether it keeps a run
/// from starting. Reads both sides, every value. Exit 4 if anything differs.
[[nodiscard]] ExitCode command_schema_diff(const SchemaRequest& request, Screen& screen);
/// Makes the tables that are not there, with keys, indexes and foreign keys, in one transaction.
[[nodiscard]] ExitCode command_schema_apply(const SchemaRequest& request, Screen& screen);

struct SwitchRequest {
  switchover::Direction direction = switchover::Direction::forward;
  std::string source;
  std::string target;  ///< empty: the one that the source is followed into
  GateLimits limits{};
  bool dry_run = false;
  bool when_ready = false;
  std::string confirm;  ///< the migration's name; empty: asked for
  std::string hooks{};  ///< a folder; empty: none
};
/// cutover or rollback: moves the application's writers. Exit 3 if a gate is shut, 6 if the pause
/// budget does not last (then nothing has changed).
[[nodiscard]] ExitCode command_switch(const SwitchRequest& request, Screen& screen,
                                      Signals& signals);

/// Ends the way back for good: lockstep's things go, but SQLite stays fenced.
struct CompleteRequest {
  std::string source;
  std::string target;   ///< empty: the one that the source is followed into
  std::string confirm;  ///< the migration's name
};
[[nodiscard]] ExitCode command_complete(const CompleteRequest& request, Screen& screen);

struct RouteRequest {
  std::string source;
  std::string readers{};  ///< postgres or sqlite; empty: as they are
};
[[nodiscard]] ExitCode command_route(const RouteRequest& request, Screen& screen);

/// Runs the demo script; `arguments` are passed on. Does not return if it could be started.
[[nodiscard]] ExitCode command_demo(const std::vector<std::string>& arguments);

}  // namespace lockstep::ops
