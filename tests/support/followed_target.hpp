// A database that follows a source: ledger, copy and keys are there; batches are the test's to
// apply.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apply/applier.hpp"
#include "apply/ledger.hpp"
#include "apply/target_schema.hpp"
#include "link/postgres/connection.hpp"
#include "snapshot/loader.hpp"
#include "snapshot/reader.hpp"
#include "tests/support/captured_source.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/process.hpp"

namespace lockstep::test {

inline constexpr char kMigration[] = "test";

inline postgres::Connection connect(const std::string& dsn) {
  return postgres::Connection::open(postgres::parse_dsn(dsn), "test");
}

/// A database of its own for each call.
inline std::string fresh_database(PostgresServer& server) {
  static int count = 0;
  return server.create_database(fmt::format("target_{}", ++count));
}

/// A part of a table that is still to be copied, and how it is asked for.
struct OpenPart {
  TablePlan plan;
  apply::LedgerPart part;
  wire::CopyRequest request;
};
inline std::vector<OpenPart> open_parts(postgres::Connection& connection) {
  std::vector<OpenPart> open;
  for (const apply::LedgerTable& table : apply::read_tables(connection, kMigration)) {
    for (const apply::LedgerPart& part : table.parts) {
      if (part.copied) continue;
      wire::CopyRequest request{table.plan.id, {}, part.until};
      if (!part.cursor.empty())
        request.after = wire::decode_key(part.cursor);
      else if (part.after)
        request.after = {Value(ValueView{.kind = ValueClass::integer, .integer = *part.after})};
      open.push_back({table.plan, part, std::move(request)});
    }
  }
  return open;
}
inline std::vector<wire::CopyRequest> requests_for(const std::vector<OpenPart>& parts) {
  std::vector<wire::CopyRequest> requests;
  for (const OpenPart& open : parts) requests.push_back(open.request);
  return requests;
}

/// Every table through Reader and Loader, from where the ledger is.
inline void copy_all(CapturedSource& source, postgres::Connection& connection,
                     snapshot::ReaderLimits limits = {}) {
  const std::vector<OpenPart> parts = open_parts(connection);
  limits.parts_at_once = 1;  // one session loads them
  snapshot::Reader reader(sqlite::Database::open(source.path(), sqlite::OpenMode::read_only),
                          source.plans(), limits);
  reader.request(requests_for(parts));
  for (const auto& [plan, part, request] : parts) {
    snapshot::Loader loader(connection, kMigration, "public", plan, part.number, part.cursor);
    for (bool more = true; more;) {
      const snapshot::Reader::Slice slice = reader.slice();
      loader.rows(slice.entries);
      if (!slice.chunk_end) continue;
      loader.chunk_end(*slice.chunk_end);
      more = !slice.chunk_end->done;
    }
  }
}

class FollowedTarget {
 public:
  /// `source` has been installed. Ledger and empty tables; no rows and no keys yet.
  FollowedTarget(PostgresServer& server, CapturedSource& source)
      : source_(source), dsn_(fresh_database(server)), connection_(connect(dsn_)) {
    apply::create_ledger(connection_);
    apply::enter_ledger(connection_, kMigration, source.installed().source_id, source.path(),
                        "public");
    std::vector<apply::TableToCopy> tables;
    for (const TablePlan& plan : source.plans())
      tables.push_back({plan, snapshot::split_points(source.judge(), plan.shape)});
    apply::begin_snapshot(connection_, *ledger(), source.position(), tables);
  }

  /// Copies, builds keys, and moves on to streaming.
  void copy_and_index() {
    copy_all(source_, connection_);
    apply::move_phase(connection_, kMigration, apply::Phase::snapshot, apply::Phase::catchup,
                      false);
    apply::move_phase(connection_, kMigration, apply::Phase::catchup, apply::Phase::indexing, true);
    index();
  }
  void index() {
    for (const TablePlan& plan : source_.plans()) {
      const apply::KeyStatements keys = apply::key_statements("public", plan, source_.plans());
      for (const auto& index : keys.indexes) connection_.exec(index.sql);
      for (const std::string& sql : keys.constraints) connection_.exec(sql);
    }
    apply::move_phase(connection_, kMigration, apply::Phase::indexing, apply::Phase::streaming,
                      true);
  }

  [[nodiscard]] apply::Applier applier(postgres::Connection& connection, bool staging = false,
                                       bool keyed = true) const {
    apply::ApplierOptions options{
        .migration = kMigration, .schema = "public", .keyed = keyed, .becomes_consistent = !keyed};
    if (staging)
      options.limits = {.small_entries_max = 0, .small_bytes_max = 0, .copy_lump_bytes = 100};
    return apply::Applier(connection, source_.plans(), options);
  }

  /// The ledger as a new connection would find it, whatever became of the last commit.
  [[nodiscard]] std::optional<apply::LedgerRow> ledger() const {
    postgres::Connection fresh = connect(dsn_);
    return apply::read_ledger(fresh, kMigration, apply::RowLock::for_update);
  }
  [[nodiscard]] Position position() const { return ledger()->position.value(); }

  /// What lockstep-compare, which shares no code with lockstep, has to say; empty if all is equal.
  [[nodiscard]] std::string difference() const {
    std::string tables;
    for (const TablePlan& plan : source_.plans())
      tables += (tables.empty() ? "" : ",") + plan.name();
    const Outcome outcome = run({TOOL_COMPARE, source_.path(), dsn_, "--tables", tables});
    return outcome.status == ExitStatus{.code = 0} ? "" : outcome.output + outcome.error_output;
  }

  [[nodiscard]] const std::string& dsn() const { return dsn_; }
  postgres::Connection& connection() { return connection_; }
  Rows query(const std::string& sql) const { return test::query(dsn_, sql); }

 private:
  CapturedSource& source_;
  std::string dsn_;
  postgres::Connection connection_;
};

inline apply::Applied apply_batch(apply::Applier& applier, const Batch& batch) {
  applier.begin(batch.begin);
  bool first = true;
  for (const capture::Slice& slice : batch.slices) {
    if (!std::exchange(first, false)) applier.next_slice();
    for (const std::uint32_t table : slice.resets) applier.reset({table});
    applier.entries(slice.entries);
  }
  return applier.end(batch.end);
}

template <class Action>
ErrorFacts facts_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.facts();
  }
  return {.code = "none"};
}

}  // namespace lockstep::test
